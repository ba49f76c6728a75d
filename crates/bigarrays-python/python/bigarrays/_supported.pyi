def supported() -> dict[str, dict[str, str]]:
    """What this version can read and write: formats, codecs and ways to name stores, each with what it is.

    Returns:
        `{"formats": {name: about}, "codecs": {name: about}, "stores": {prefix: about}}`.

    Example:
        >>> sorted(bigarrays.supported())
        ['codecs', 'formats', 'stores']
        >>> "precomputed" in bigarrays.supported()["formats"], "zstd" in bigarrays.supported()["codecs"]
        (True, True)
    """

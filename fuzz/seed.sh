#!/bin/sh
# Makes seed corpora of the golden chunks: the bytes that choose the expected chunk, then the chunk.
set -eu
cd "$(dirname "$0")"
data=../crates/bigarrays/tests/data/images

# seed TARGET FILE CHOICES: CHOICES are the leading bytes, in octal as for printf.
seed() {
    mkdir -p "corpus/$1"
    { printf "$3"; cat "$data/$2"; } > "corpus/$1/seed-$2"
}

u8='\012' u16='\014' part='\003\004\002\014\021\010'
seed jpeg jpeg-u8-24x18x10x1.tensorstore "$u8\027\021\011\001$part"
seed jpeg jpeg-u8-16x18x5x3.tensorstore "$u8\017\021\004\003$part"
seed jpeg pillow-u8-24x18x10x1.jpeg "$u8\027\021\011\001$part"
seed png png-u8-9x8x7x1.tensorstore "$u8\010\007\006\001$part"
seed png png-u16-9x8x7x3.tensorstore "$u16\010\007\006\003$part"
seed png pillow-u8-24x18x10x1.png "$u8\027\021\011\001$part"
seed jxl cloudvolume-u8-24x18x10x1.jxl "$u8\027\021\011\001$part"
seed jxl cloudvolume-lossy-u8-24x18x10x1.jxl "$u8\027\021\011\001$part"
seed jxl imagecodecs-u8-16x18x5x3.jxl "$u8\017\021\004\003$part"
for codec in gzip zstd br blosclz; do
    case $codec in br) target=brotli ;; blosclz) target=blosc ;; *) target=$codec ;; esac
    seed "$target" "plain.$codec" '\240\017\000\000'
done

labels=../crates/bigarrays/tests/data/codec
u8='\012' u16='\014' u32='\016' u64='\020'
data=$labels
seed compresso compresso4-4x4x1-uint8-37x21x6.bin "$u8\044\024\005\000$part"
seed compresso compresso4-8x8x1-uint16-24x18x7.bin "$u16\027\021\006\000$part"
seed compresso compresso6-4x4x2-uint32-21x19x9.bin "$u32\024\022\010\000$part"
seed compresso compresso4-4x2x1-uint64-9x26x8.bin "$u64\010\031\007\000$part"
seed compressed_segmentation cseg8x8x8-uint32-35x21x10x1.bin "\007\007\007$u32\042\024\011\001$part"
seed compressed_segmentation cseg8x8x8-uint64-33x18x9x2.bin "\007\007\007$u64\040\021\010\002$part"
seed compressed_segmentation cseg5x7x3-uint64-19x22x11x1.bin "\004\006\002$u64\022\025\012\001$part"
mkdir -p corpus/info corpus/npy corpus/tiff corpus/shard corpus/zarr corpus/zarr_shard
# A shard of one minishard: its index of chunk 3, then the chunk; after the byte that chooses plain encodings.
zeros='\000\000\000\000\000\000\000'
printf "\000\000$zeros\030$zeros\003$zeros\030$zeros\002${zeros}ab" > corpus/shard/seed
# A shard of six chunks without checksum, of which the first is "ab"; then metadata of version 3.
none='\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377'
printf "\000ab\000$zeros\002$zeros$none$none$none$none$none" > corpus/zarr_shard/seed
printf '%s' '0{"zarr_format":3,"node_type":"array","shape":[4,6],"data_type":"uint16","chunk_grid":{"name":"regular","configuration":{"chunk_shape":[4,4]}},"chunk_key_encoding":{"name":"default","configuration":{"separator":"/"}},"fill_value":0,"codecs":[{"name":"sharding_indexed","configuration":{"chunk_shape":[2,2],"codecs":[{"name":"transpose","configuration":{"order":[1,0]}},{"name":"bytes","configuration":{"endian":"big"}},"zstd"],"index_codecs":[{"name":"bytes","configuration":{"endian":"little"}},"crc32c"],"index_location":"start"}}]}' > corpus/zarr/seed-3
printf '%s' '1{"zarr_format":2,"shape":[4],"chunks":[2],"dtype":">f4","fill_value":"NaN","order":"F","filters":[{"id":"fixedscaleoffset","offset":1,"scale":10,"dtype":">f4","astype":"|u1"}],"compressor":{"id":"blosc","cname":"lz4","clevel":5,"shuffle":1,"blocksize":0}}' > corpus/zarr/seed-2
printf '%s' '{"@type":"neuroglancer_multiscale_volume","type":"segmentation","data_type":"uint64","num_channels":1,"scales":[{"key":"8_8_8","size":[64,64,64],"voxel_offset":[-3,0,7],"resolution":[8,8,8.5],"chunk_sizes":[[64,64,64]],"encoding":"compressed_segmentation","compressed_segmentation_block_size":[8,8,8]}]}' > corpus/info/seed
find ../crates/bigarrays/tests/data/stacks -name '*.npy' -exec cp {} corpus/npy/ \;
find ../crates/bigarrays/tests/data/stacks -name '*.tif*' -exec cp {} corpus/tiff/ \;
mkdir -p corpus/bigarray_header corpus/bigarray_names
printf 'mmapdata      23\333\002\000\000\000\332\005int16\251\002\351\003\000\000\000\351\002\000\000\000' > corpus/bigarray_header/seed
printf '\200\004}\224(\214\001a\224K\000M,\001\206\224\214\001b\224\212\005\000\000\000\200\000K\002\206\224u.' > corpus/bigarray_names/seed
printf '\200\002}q\000(X\001\000\000\000aq\001K\000M,\001\206q\002u.' > corpus/bigarray_names/seed-2
mkdir -p corpus/lz4
printf '\240\017\000\000LZ4Block\026\001\000\000\000\001\000\000\000\024\341\267\002aLZ4Block\026\000\000\000\000\000\000\000\000\000\000\000\000' > corpus/lz4/seed
mkdir -p corpus/tiff_description
printf '\006\001%s' '<?xml version="1.0"?><OME UUID="urn:uuid:1"><Image><Pixels DimensionOrder="XYZCT" SizeX="9" SizeY="8" SizeZ="2" SizeC="3" SizeT="1" PhysicalSizeX="0.5" PhysicalSizeXUnit="&#181;m"><TiffData IFD="0" FirstZ="0" FirstC="0" PlaneCount="6"><UUID FileName="a.tif">urn:uuid:1</UUID></TiffData></Pixels></Image></OME>' > corpus/tiff_description/seed-ome
printf '\006\003%s' '<OME:OME xmlns:OME="x"><OME:Image><OME:Pixels DimensionOrder = "XYCZT" SizeX="9" SizeY="8" SizeZ="2" SizeC="9" SizeT="1"><OME:TiffData IFD="1"/></OME:Pixels></OME:Image></OME:OME>' > corpus/tiff_description/seed-prefix
printf '\006\001{"shape": [2, 3, 8, 9], "axes": "TZYX", "spacing": 2, "unit": "nm"}' > corpus/tiff_description/seed-shaped
printf '\006\001ImageJ=1.53t\nimages=6\nchannels=2\nslices=3\nunit=\265m\nspacing=2.0\n' > corpus/tiff_description/seed-imagej
mkdir -p corpus/npz corpus/megatron corpus/lmdb
npy="\\223NUMPY\\001\\000\\066\\000{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}\\nab"
crc='\000\000\000\000' size='\102\000\000\000' none='\000\000'
# An archive of one array, stored; its checksum is wrong.
{
    printf "PK\003\004\024$none\000$none$none$none$crc$size$size\005\000${none}a.npy$npy"
    printf "PK\001\002\024\000\024$none\000$none$none$none$crc$size$size\005\000$none$none$none$none$crc${crc}a.npy"
    printf "PK\005\006$none$none\001\000\001\000\063\000\000\000\145\000\000\000$none"
} > corpus/npz/seed
# Two sequences in one document, of two and one elements of int32.
printf '\014\000\000\000MMIDIDX\000\000\001\000\000\000\000\000\000\000\004\002\000\000\000\000\000\000\000\002\000\000\000\000\000\000\000\002\000\000\000\001\000\000\000\000\000\000\000\000\000\000\000\010\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\002\000\000\000\000\000\000\000' > corpus/megatron/seed
# The first byte chooses the version and how many axes the scales have.
mkdir -p corpus/ome
axes='[{"name":"c","type":"channel"},{"name":"y","type":"space","unit":"micrometer"},{"name":"x","type":"space","unit":"micrometer"}]'
steps='[{"type":"scale","scale":[1,0.5,0.5]},{"type":"translation","translation":[0,1,-2]}]'
image="\"multiscales\":[{\"version\":\"0.4\",\"name\":\"a\",\"axes\":$axes,\"datasets\":[{\"path\":\"0\",\"coordinateTransformations\":$steps},{\"path\":\"1\",\"coordinateTransformations\":[{\"type\":\"scale\",\"scale\":[1,1,1]}]}],\"coordinateTransformations\":[{\"type\":\"scale\",\"scale\":[1,2,2]}]}],\"omero\":{\"channels\":[{\"label\":\"DAPI\",\"color\":\"0000FF\",\"window\":{\"start\":0,\"end\":9,\"min\":0,\"max\":99}}]},\"image-label\":{\"colors\":[{\"label-value\":1,\"rgba\":[1,2,3,4]}]}"
printf '\007{%s}' "$image" > corpus/ome/seed-v2
printf '\006{"ome":{"version":"0.5",%s}}' "$image" | sed 's/"version":"0.4",//' > corpus/ome/seed-v3
printf '\005%s' '{"multiscales":[{"version":"0.3","axes":["y","x"],"datasets":[{"path":"0"},{"path":"1"}]}]}' > corpus/ome/seed-draft
printf '\006%s' '{"ome":{"version":"0.5","plate":{"rows":[{"name":"A"}],"columns":[{"name":"1"}],"wells":[{"path":"A/1","rowIndex":0,"columnIndex":0}],"acquisitions":[{"id":0}]}}}' > corpus/ome/seed-plate
printf '\006%s' '{"ome":{"version":"0.5","well":{"images":[{"path":"0","acquisition":0}]},"labels":["0"],"bioformats2raw.layout":3}}' > corpus/ome/seed-well
# A change of two bytes in the first page of the tree of names, and one in the first page.
mkdir -p corpus/slices
printf '\000\040\001ab\010\000\000x' > corpus/slices/seed
mkdir -p corpus/expression
number=0
while read -r text; do
    number=$((number + 1))
    printf '%s' "$text" > "corpus/expression/seed-$number"
done << 'EOF'
mean(a * 2 + 1, axis=["y", "x"])
where((a > b) & ~c | (b != nan), clip(a, 2, 7), -1e3)
cast(sum(a, axis=-1), "float32") / 1.5 - mean(a // 3 % b ** 2, axis=2)
max(a << 1, axis=0) ^ min(a >> 2, axis=[0])
mean(e * e, axis=["z", "y"]) + max(e, axis=0) // min(e)
any(c, axis=1) == all(d < 3) * logical_xor(c, True)
prod(hypot(b, sum(b)), axis=0) + count_nonzero(isnan(b))
power(floor(exp(a) * log1p(b)), 3) <= arctan2(cbrt(c), rint(sign(b)))
fmax(absolute(d), square(d)) + invert(c) - negative(b) >= remainder(b, pi)
EOF
# What other tools have written.
for file in seeds/*/*.gz; do
    target=$(basename "$(dirname "$file")")
    mkdir -p "corpus/$target"
    gzip -dc "$file" > "corpus/$target/seed-$(basename "$file" .gz)"
done

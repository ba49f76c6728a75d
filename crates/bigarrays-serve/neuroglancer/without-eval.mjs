// Neuroglancer makes three functions of text, which pages whose policy forbids that cannot: here are the same functions, written out.
// A version of Neuroglancer that has other text in these places does not build.

const PACKING = /const writeEncodedRepresentation = new Function\([\s\S]*?\n\);\n/;
const packing = `
function writeEncodedRepresentation(outputData, outputOffset, encodingBuffer, indexBuffer, encodedBits, encodedSize32Bits) {
  if (encodedBits === 0) return;
  const elementsPer32Bits = 32 / encodedBits;
  for (let wordIndex = 0, elementIndex = 0; wordIndex < encodedSize32Bits; ++wordIndex) {
    let word = 0;
    for (let element = 0; element < elementsPer32Bits; ++element, ++elementIndex) {
      word |= indexBuffer[encodingBuffer[elementIndex]] << (element * encodedBits);
    }
    outputData[outputOffset + wordIndex] = word;
  }
}
`;

const PROPERTIES =
  /let groupOffsetCode = "let groupOffset0 = offset;";[\s\S]*?this\.serialize = new Function\([\s\S]*?\);\n\s*this\.deserialize = new Function\([\s\S]*?\);\n/;
const properties = `
    this.serializedBytes = serializedBytes;
    // Where each property of an annotation lies.
    const placesOf = (offset, annotationIndex, annotationCount) => {
      let start = offset;
      const groups = propertyGroupBytes.map((bytes) => {
        const own = start + bytes * annotationIndex;
        start += bytes * annotationCount;
        return own;
      });
      return offsets.map((place) => groups[place.group] + place.offset);
    };
    const access = {
      rgb: [
        (dv, at) => dv.getUint16(at, true) | (dv.getUint8(at + 2) << 16),
        (dv, at, value) => { dv.setUint16(at, value, true); dv.setUint8(at + 2, value >>> 16); },
      ],
      rgba: [(dv, at) => dv.getUint32(at, true), (dv, at, value) => dv.setUint32(at, value, true)],
    };
    for (const [type, name] of Object.entries({
      float32: "Float32", uint32: "Uint32", int32: "Int32", uint16: "Uint16", int16: "Int16", uint8: "Uint8", int8: "Int8",
    })) {
      access[type] = [
        (dv, at, little) => dv["get" + name](at, little),
        (dv, at, value, little) => dv["set" + name](at, value, little),
      ];
    }
    const known = propertySpecs.map((spec) => access[spec.type]);
    this.serialize = (dv, offset, annotationIndex, annotationCount, isLittleEndian, properties) => {
      placesOf(offset, annotationIndex, annotationCount).forEach((at, k) => known[k][1](dv, at, properties[k], isLittleEndian));
    };
    this.deserialize = (dv, offset, annotationIndex, annotationCount, isLittleEndian, properties) => {
      placesOf(offset, annotationIndex, annotationCount).forEach((at, k) => { properties[k] = known[k][0](dv, at, isLittleEndian); });
    };
`;

export default function withoutEval(source) {
  const [pattern, text] = this.resourcePath.endsWith("encode_common.js") ? [PACKING, packing] : [PROPERTIES, properties];
  if (!pattern.test(source)) throw new Error(`${this.resourcePath} is not as it was: see without-eval.mjs`);
  return source.replace(pattern, () => text);
}

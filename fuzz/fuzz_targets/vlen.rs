#![no_main]

use bigarrays::DataType;
use bigarrays::chunk::codec::Vlen;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    bigarrays_fuzz::array_of(&Vlen::TEXT, DataType::LongText, input);
    bigarrays_fuzz::array_of(&Vlen::BYTES, DataType::LongBytes, input);
});

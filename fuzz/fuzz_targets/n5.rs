#![no_main]

use std::sync::Arc;

use bigarrays::chunk::codec::Gzip;
use bigarrays::format::n5::{N5Block, check_attributes};

// The attributes of a dataset, and a block, plain and compressed.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = check_attributes(input);
    let shape: Vec<usize> = input.get(1..4).unwrap_or_default().iter().map(|&n| 1 + usize::from(n)).collect();
    if shape.len() == 3 && input.get(4) == Some(&0) {
        bigarrays_fuzz::array(&N5Block::new(&shape, None), input);
        bigarrays_fuzz::array(&N5Block::new(&shape, Some(Arc::new(Gzip::new(6).unwrap()))), input);
    }
});

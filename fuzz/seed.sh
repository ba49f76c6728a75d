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

// What every kernel on packed weights shares; q4.wgsl or q8.wgsl stands behind it.

// [out, blocks, 1 (q4) or 2 (q8)]
@group(0) @binding(0) var<storage, read_write> words: array<vec4<u32>>;
// [out * blocks / 2]: two f16 in each word, the first in the low bits
@group(0) @binding(1) var<storage, read_write> scales: array<u32>;

fn scale_of(block: u32) -> f32 {
    let pair = unpack2x16float(scales[block >> 1u]);
    return select(pair.x, pair.y, (block & 1u) == 1u);
}

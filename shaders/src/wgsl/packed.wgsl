// What every kernel on packed weights shares; q4.wgsl or q8.wgsl stands behind it, with
// `load(block)` and `weights_of(block, k)`: the weights 4 k to 4 k + 3 of a block.

// [out, blocks, 1 (q4) or 2 (q8)]
@group(0) @binding(0) var<storage, read_write> words: array<vec4<u32>>;
// Two f16 in each word, the first in the low bits: the scales of two blocks (q8), or the scale and
// the minimum of one (q4).
@group(0) @binding(1) var<storage, read_write> scales: array<u32>;

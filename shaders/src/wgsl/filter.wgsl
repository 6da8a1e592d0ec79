// What both passes of the resize share: a filter in fixed point with Pillow's rounding. A byte is
// an integer from beginning to end, so the result is that of the CPU to the bit.

// first position and number of weights of each output position
@group(0) @binding(1) var<storage, read_write> windows: array<vec2<u32>>;
// [outputs, STRIDE], FRACTION bits behind the point
@group(0) @binding(2) var<storage, read_write> weights: array<i32>;

const HALF = vec3<i32>(1 << (FRACTION - 1u));

// Three bytes of a word, red in the low bits.
fn bytes_of(word: u32) -> vec3<i32> {
    return vec3<i32>((vec3<u32>(word) >> vec3<u32>(0u, 8u, 16u)) & vec3<u32>(255u));
}

fn to_bytes(sum: vec3<i32>) -> vec3<i32> {
    return clamp(sum >> vec3<u32>(FRACTION), vec3<i32>(0), vec3<i32>(255));
}

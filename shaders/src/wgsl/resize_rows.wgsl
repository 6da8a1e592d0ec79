// Second pass of the resize: the square becomes lower, and bytes become values through a table of
// 256 per channel, as on the CPU. A thread makes one pixel.
// Constants put in front: FRACTION, STRIDE.

// [side, size]
@group(0) @binding(0) var<storage, read_write> narrow: array<u32>;
// [3, 256]
@group(0) @binding(3) var<storage, read_write> table: array<f32>;
// [3, size, size]
@group(0) @binding(4) var<storage, read_write> values: array<f32>;
// size
@group(0) @binding(5) var<uniform> sizes: vec4<u32>;

@compute @workgroup_size(THREADS)
fn main(thread: Thread) {
    let at = number_of(thread);
    let size = sizes.x;
    if (at >= size * size) {
        return;
    }
    let row = at / size;
    let column = at % size;
    let window = windows[row];
    var sum = HALF;
    for (var i = 0u; i < window.y; i++) {
        sum += weights[row * STRIDE + i] * bytes_of(narrow[(window.x + i) * size + column]);
    }
    let value = to_bytes(sum);
    for (var channel = 0u; channel < 3u; channel++) {
        values[channel * size * size + at] = table[channel * 256u + u32(value[channel])];
    }
}

// The pixels of the picture where a map over its square exceeds a threshold, one bit each: a
// thirty-second part of what reading back the values would take. A thread makes one word.

struct Tap {
    low: u32,
    high: u32,
    fraction: f32,
    unused: u32,
}

// [count, h, w]
@group(0) @binding(0) var<storage, read_write> maps: array<f32>;
// [width + height]: the taps of the picture's columns, then of its rows
@group(0) @binding(1) var<storage, read_write> taps: array<Tap>;
// [count, words]; bit i of a map's bits is pixel i, row by row
@group(0) @binding(2) var<storage, read_write> bits: array<u32>;
// h, w, width and height of the picture; then words per map, maps, the threshold's bits
@group(0) @binding(3) var<uniform> sizes: array<vec4<u32>, 2>;

@compute @workgroup_size(THREADS)
fn main(thread: Thread) {
    let at = number_of(thread);
    let words = sizes[1].x;
    if (at >= words * sizes[1].y) {
        return;
    }
    let w = sizes[0].y;
    let width = sizes[0].z;
    let pixels = width * sizes[0].w;
    let map = (at / words) * sizes[0].x * w;
    let threshold = bitcast<f32>(sizes[1].z);
    let first = (at % words) * 32u;
    var word = 0u;
    for (var i = 0u; i < 32u && first + i < pixels; i++) {
        let column = taps[(first + i) % width];
        let row = taps[width + (first + i) / width];
        let low = map + row.low * w;
        let high = map + row.high * w;
        let a = mix_of(maps[low + column.low], maps[high + column.low], row.fraction);
        let b = mix_of(maps[low + column.high], maps[high + column.high], row.fraction);
        word |= u32(mix_of(a, b, column.fraction) > threshold) << i;
    }
    bits[at] = word;
}

fn mix_of(a: f32, b: f32, fraction: f32) -> f32 {
    return a + (b - a) * fraction;
}

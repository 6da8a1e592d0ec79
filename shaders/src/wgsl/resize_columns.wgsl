// First pass of the resize: each row of the padded square becomes narrower. Padding is not stored:
// outside of the picture every pixel is FILL. A thread makes one pixel.
// Constants put in front: FRACTION, STRIDE, FILL.

// [height, width] of the picture, red in the low bits
@group(0) @binding(0) var<storage, read_write> picture: array<u32>;
// [side, size]
@group(0) @binding(3) var<storage, read_write> narrow: array<u32>;
// width, height, left and top of the picture in the square; then side and size
@group(0) @binding(4) var<uniform> frame: array<vec4<u32>, 2>;

@compute @workgroup_size(THREADS)
fn main(thread: Thread) {
    let at = number_of(thread);
    let size = frame[1].y;
    if (at >= frame[1].x * size) {
        return;
    }
    // Above and left of the picture these wrap to beyond it.
    let y = at / size - frame[0].w;
    let column = at % size;
    let window = windows[column];
    var sum = HALF;
    for (var i = 0u; i < window.y; i++) {
        let x = window.x + i - frame[0].z;
        var pixel = FILL;
        if (x < frame[0].x && y < frame[0].y) {
            pixel = picture[y * frame[0].x + x];
        }
        sum += weights[column * STRIDE + i] * bytes_of(pixel);
    }
    let value = vec3<u32>(to_bytes(sum));
    narrow[at] = value.x | (value.y << 8u) | (value.z << 16u);
}

// Rows of a packed matrix, unpacked: an embedding, or the whole matrix. A thread makes four
// neighbouring values; the row of an id beyond the matrix is NaN.

// [count]
@group(0) @binding(2) var<storage, read_write> ids: array<i32>;
// [count, 8 blocks]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;
// blocks, rows of the matrix, count, the bits of NaN (which WGSL has no word for)
@group(0) @binding(4) var<uniform> sizes: vec4<u32>;

@compute @workgroup_size(THREADS)
fn main(thread: Thread) {
    let blocks = sizes.x;
    let at = number_of(thread);
    let i = at / (8u * blocks);
    let quad = at % (8u * blocks);
    if (i >= sizes.z) {
        return;
    }
    let id = ids[i];
    var value = vec4<f32>(bitcast<f32>(sizes.w));
    if (id >= 0 && u32(id) < sizes.y) {
        let block = u32(id) * blocks + quad / 8u;
        value = weights_of(load(block), quad % 8u);
    }
    y[at] = value;
}

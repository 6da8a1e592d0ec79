// y = x Wᵀ for many rows of x: reading a question or a picture, where arithmetic takes the time.
//
// A workgroup of 8 x 8 threads makes a tile of 32 rows by 32 outputs, 4 x 4 per thread. Along the
// input it goes block by block: 32 blocks of weights are unpacked into workgroup memory, once for
// all rows of the tile. Rows there are a vector longer than needed, so that they start at
// different banks.

@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
// blocks, outputs, rows, tiles along the outputs
@group(0) @binding(4) var<uniform> sizes: vec4<u32>;

const STRIDE = 9u;

var<workgroup> inputs: array<vec4<f32>, 32u * STRIDE>;
var<workgroup> weights: array<vec4<f32>, 32u * STRIDE>;

@compute @workgroup_size(THREADS)
fn main(thread: Thread) {
    let local = thread.local;
    let blocks = sizes.x;
    let outputs = sizes.y;
    let rows = sizes.z;
    let tile = workgroup_of(thread);
    let first_output = (tile % sizes.w) * 32u;
    let first_row = (tile / sizes.w) * 32u;
    // Rows and outputs of a thread lie 8 apart: threads side by side write side by side.
    let column = local % 8u;
    let line = local / 8u;
    var sums: array<vec4<f32>, 4>;
    for (var b = 0u; b < blocks; b++) {
        // Two threads share a row of each tile: four of its eight vectors each.
        let shared_row = local / 2u;
        let half = (local % 2u) * 4u;
        let row = first_row + shared_row;
        let output = first_output + shared_row;
        if (output < outputs) {
            let block = load(output * blocks + b);
            for (var k = half; k < half + 4u; k++) {
                weights[shared_row * STRIDE + k] = weights_of(block, k);
            }
        } else {
            for (var k = half; k < half + 4u; k++) {
                weights[shared_row * STRIDE + k] = vec4<f32>();
            }
        }
        for (var k = half; k < half + 4u; k++) {
            var value = vec4<f32>();
            if (row < rows) {
                value = x[(row * blocks + b) * 8u + k];
            }
            inputs[shared_row * STRIDE + k] = value;
        }
        workgroupBarrier();
        for (var k = 0u; k < 8u; k++) {
            let w0 = weights[column * STRIDE + k];
            let w1 = weights[(column + 8u) * STRIDE + k];
            let w2 = weights[(column + 16u) * STRIDE + k];
            let w3 = weights[(column + 24u) * STRIDE + k];
            for (var r = 0u; r < 4u; r++) {
                let value = inputs[(line + 8u * r) * STRIDE + k];
                sums[r] += vec4<f32>(dot(value, w0), dot(value, w1), dot(value, w2), dot(value, w3));
            }
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < 4u; r++) {
        let row = first_row + line + 8u * r;
        for (var o = 0u; o < 4u; o++) {
            let output = first_output + column + 8u * o;
            if (row < rows && output < outputs) {
                y[row * outputs + output] = sums[r][o];
            }
        }
    }
}

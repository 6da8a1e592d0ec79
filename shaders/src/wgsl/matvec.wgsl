// y = x Wᵀ for ROWS (1 to 4) rows of x: decoding, where reading the weights is what takes time.
//
// A workgroup makes THREADS / LANES outputs. The lanes of an output take its blocks in turn, so
// neighbouring lanes read neighbouring words, and each block is unpacked once for all rows.
// Constants put in front: ROWS, LANES (a power of two).

@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
// blocks, outputs
@group(0) @binding(4) var<uniform> sizes: vec4<u32>;

const OUTPUTS = THREADS / LANES;

var<workgroup> partial: array<f32, THREADS * ROWS>;

@compute @workgroup_size(THREADS)
fn main(thread: Thread) {
    let local = thread.local;
    let blocks = sizes.x;
    let outputs = sizes.y;
    let output = workgroup_of(thread) * OUTPUTS + local / LANES;
    let lane = local % LANES;
    var sums = array<f32, ROWS>();
    if (output < outputs) {
        for (var b = lane; b < blocks; b += LANES) {
            let block = load(output * blocks + b);
            for (var k = 0u; k < 8u; k++) {
                let weights = weights_of(block, k);
                for (var r = 0u; r < ROWS; r++) {
                    sums[r] += dot(weights, x[(r * blocks + b) * 8u + k]);
                }
            }
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        partial[r * THREADS + local] = sums[r];
    }
    workgroupBarrier();
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
        if (lane < step) {
            for (var r = 0u; r < ROWS; r++) {
                partial[r * THREADS + local] += partial[r * THREADS + local + step];
            }
        }
        workgroupBarrier();
    }
    if (lane == 0u && output < outputs) {
        for (var r = 0u; r < ROWS; r++) {
            y[r * outputs + output] = partial[r * THREADS + local];
        }
    }
}

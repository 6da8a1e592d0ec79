// y = x Wᵀ for ROWS (1 to 4) rows of x: decoding, where reading the weights is what takes time.
//
// A workgroup makes 64 / LANES outputs. The lanes of an output take its blocks in turn, so
// neighbouring lanes read neighbouring words, and each block is unpacked once for all rows.
// Constants put in front: ROWS, LANES (a power of two).

@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
// blocks, outputs
@group(0) @binding(4) var<uniform> sizes: vec4<u32>;

const OUTPUTS = 64u / LANES;

var<workgroup> partial: array<f32, 64u * ROWS>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let blocks = sizes.x;
    let outputs = sizes.y;
    let output = (group.x + group.y * groups.x) * OUTPUTS + local / LANES;
    let lane = local % LANES;
    var sums = array<f32, ROWS>();
    if (output < outputs) {
        for (var b = lane; b < blocks; b += LANES) {
            let at = output * blocks + b;
            let block = load(at);
            let scale = scale_of(at);
            // Written out: without a value, Chromium on SwiftShader kept that of the last round.
            var parts = array<f32, ROWS>();
            for (var k = 0u; k < 8u; k++) {
                let weights = levels(block, k);
                for (var r = 0u; r < ROWS; r++) {
                    parts[r] += dot(weights, x[(r * blocks + b) * 8u + k]);
                }
            }
            for (var r = 0u; r < ROWS; r++) {
                sums[r] += scale * parts[r];
            }
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        partial[r * 64u + local] = sums[r];
    }
    workgroupBarrier();
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
        if (lane < step) {
            for (var r = 0u; r < ROWS; r++) {
                partial[r * 64u + local] += partial[r * 64u + local + step];
            }
        }
        workgroupBarrier();
    }
    if (lane == 0u && output < outputs) {
        for (var r = 0u; r < ROWS; r++) {
            y[r * outputs + output] = partial[r * 64u + local];
        }
    }
}

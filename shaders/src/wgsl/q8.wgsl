// Blocks of 32 weights in 8 bits. Field j of word w holds element 8 j + w, in two's complement.

struct Block {
    low: vec4<u32>,
    high: vec4<u32>,
}

fn load(block: u32) -> Block {
    return Block(words[2u * block], words[2u * block + 1u]);
}

// Elements 4 k to 4 k + 3, without their scale.
fn levels(block: Block, k: u32) -> vec4<f32> {
    let fields = select(block.low, block.high, (k & 1u) == 1u);
    let shift = 24u - 8u * (k >> 1u);
    return vec4<f32>(bitcast<vec4<i32>>(fields << vec4<u32>(shift)) >> vec4<u32>(24u));
}

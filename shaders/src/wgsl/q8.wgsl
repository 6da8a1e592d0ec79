// Blocks of 32 weights in 8 bits. Field j of word w holds element 8 j + w, in two's complement.

struct Block {
    low: vec4<u32>,
    high: vec4<u32>,
    scale: f32,
}

fn load(block: u32) -> Block {
    let pair = unpack2x16float(scales[block >> 1u]);
    let scale = select(pair.x, pair.y, (block & 1u) == 1u);
    return Block(words[2u * block], words[2u * block + 1u], scale);
}

fn weights_of(block: Block, k: u32) -> vec4<f32> {
    let fields = select(block.low, block.high, (k & 1u) == 1u);
    let shift = 24u - 8u * (k >> 1u);
    return vec4<f32>(bitcast<vec4<i32>>(fields << vec4<u32>(shift)) >> vec4<u32>(24u)) * block.scale;
}

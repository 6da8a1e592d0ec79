// Blocks of 32 weights in 4 bits. Field j of word w holds element 4 j + w.

struct Block {
    fields: vec4<u32>,
    scale: f32,
    minimum: f32,
}

fn load(block: u32) -> Block {
    let pair = unpack2x16float(scales[block]);
    return Block(words[block], pair.x, pair.y);
}

fn weights_of(block: Block, k: u32) -> vec4<f32> {
    let levels = vec4<f32>((block.fields >> vec4<u32>(4u * k)) & vec4<u32>(15u));
    return levels * block.scale + block.minimum;
}

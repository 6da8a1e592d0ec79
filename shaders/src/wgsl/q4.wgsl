// Blocks of 32 weights in 4 bits. Field j of word w holds element 4 j + w, with 8 added.

alias Block = vec4<u32>;

fn load(block: u32) -> Block {
    return words[block];
}

// Elements 4 k to 4 k + 3, without their scale.
fn levels(block: Block, k: u32) -> vec4<f32> {
    return vec4<f32>((block >> vec4<u32>(4u * k)) & vec4<u32>(15u)) - 8.0;
}

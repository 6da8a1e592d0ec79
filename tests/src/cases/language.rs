//! The language model.

use crate::{Fixture, load_weights};
use burn::tensor::{Device, Tensor, TensorData};
use refvlm_model::language::{Llama, LlamaConfig, Positions};

/// Grouped keys, a tied head, linear scaling of positions.
pub const LLAMAS: [&str; 3] = ["llama_gqa", "llama_tied", "llama_linear_rope"];

/// The configuration and the module.
pub fn llama(fixture: &Fixture, device: &Device) -> (LlamaConfig, Llama) {
    let config: LlamaConfig = fixture.config();
    config.check().unwrap();
    let model = load_weights(Llama::new(&config, device), fixture);
    (config, model)
}

/// The module, the embeddings it read and the scores.
pub fn llama_states(fixture: &Fixture, device: &Device) -> (Llama, [Tensor<3>; 2]) {
    let (_, model) = llama(fixture, device);
    let [batch, length]: [usize; 2] = fixture.shape("in.input_ids").try_into().unwrap();
    let tokens = TensorData::new(fixture.ints("in.input_ids"), [batch, length]);
    fixture.assert_close("out.hidden_states.0", model.embed(Tensor::from_data(tokens, device)));

    let embeds = fixture.leaf::<3>("in.inputs_embeds", device);
    let positions = Positions::sequence(batch, 0, length);
    let hidden = model.forward(embeds.clone(), &positions, None, None).unwrap();
    fixture.assert_close("out.last_hidden", hidden.clone());
    for i in 1..model.model.layers.len() {
        let key = format!("out.hidden_states.{i}");
        if fixture.has(&key) {
            // A model of the first layers alone normalises the state that the next one reads.
            let mut short = model.clone();
            short.model.layers.truncate(i);
            let state = short.forward(embeds.clone(), &positions, None, None).unwrap();
            let stored = model.model.norm.forward(fixture.tensor::<3>(&key, device));
            fixture.assert_same(&key, state, stored);
        }
    }
    let logits = model.logits(hidden);
    fixture.assert_close("out.logits", logits.clone());
    (model, [embeds, logits])
}

//! The language model against plain loops in f64, in the settings that no stored tensor has:
//! Llama-3's rope scaling and Mistral's sliding window.
use burn::tensor::{Device, Tensor, TensorData};
use refvlm_model::language::{KvCache, Llama, LlamaConfig, Positions};
use refvlm_model::package::by_name::{load_by_name, visit_named};
use refvlm_tests::close;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::f64::consts::TAU;

const LENGTH: usize = 40;

/// The sizes with `more` settings.
fn config(more: Value) -> Value {
    let mut config = json!({
        "vocab_size": 11, "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 2,
        "num_attention_heads": 3, "num_key_value_heads": 1, "rope_theta": 500.0,
        "rms_norm_eps": 1e-5, "initializer_range": 0.3, "tie_word_embeddings": true,
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// An angle per position for each pair of channels, by the definition of the model card.
fn frequencies(config: &Value, width: usize) -> Vec<f64> {
    let theta = config["rope_theta"].as_f64().unwrap();
    let plain = (0..width / 2).map(|i| theta.powf(-(2.0 * i as f64) / width as f64));
    let scaling = &config["rope_scaling"];
    if scaling.is_null() {
        return plain.collect();
    }
    let number = |key: &str| scaling[key].as_f64().unwrap();
    let (factor, low) = (number("factor"), number("low_freq_factor"));
    let (high, original) = (number("high_freq_factor"), number("original_max_position_embeddings"));
    plain
        .map(|frequency| {
            let wavelength = TAU / frequency;
            if wavelength < original / high {
                frequency
            } else if wavelength > original / low {
                frequency / factor
            } else {
                let smooth = (original / wavelength - low) / (high - low);
                (1.0 - smooth) * frequency / factor + smooth * frequency
            }
        })
        .collect()
}

struct Plain {
    config: Value,
    weights: HashMap<String, Vec<f64>>,
}

impl Plain {
    fn size(&self, key: &str) -> usize {
        self.config[key].as_u64().unwrap() as usize
    }

    fn linear(&self, key: &str, x: &[f64]) -> Vec<f64> {
        let rows = self.weights[&format!("{key}.weight")].chunks(x.len());
        rows.map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
    }

    fn norm(&self, key: &str, x: &[f64]) -> Vec<f64> {
        let eps = self.config["rms_norm_eps"].as_f64().unwrap();
        let scale = (x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64 + eps).sqrt();
        let weight = &self.weights[&format!("{key}.weight")];
        x.iter().zip(weight).map(|(v, w)| v / scale * w).collect()
    }

    /// Heads of one token, turned by its position.
    fn turned(&self, heads: &[f64], position: usize, width: usize) -> Vec<f64> {
        let half = width / 2;
        let frequencies = frequencies(&self.config, width);
        let mut out = heads.to_vec();
        for (head, turned) in heads.chunks(width).zip(out.chunks_mut(width)) {
            for (i, frequency) in frequencies.iter().enumerate() {
                let (sin, cos) = (position as f64 * frequency).sin_cos();
                turned[i] = head[i] * cos - head[i + half] * sin;
                turned[i + half] = head[i + half] * cos + head[i] * sin;
            }
        }
        out
    }

    /// Last normalised states of a sequence of embeddings.
    fn forward(&self, mut x: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        let (heads, kv) = (self.size("num_attention_heads"), self.size("num_key_value_heads"));
        let width = self.size("hidden_size") / heads;
        let window = self.config["sliding_window"].as_u64().map_or(usize::MAX, |w| w as usize);
        for layer in 0..self.size("num_hidden_layers") {
            let key = |name: &str| format!("model.layers.{layer}.{name}");
            let normed: Vec<_> = x.iter().map(|x| self.norm(&key("input_layernorm"), x)).collect();
            let project = |name: &str| -> Vec<Vec<f64>> {
                normed.iter().map(|x| self.linear(&key(name), x)).collect()
            };
            let turn = |rows: Vec<Vec<f64>>| -> Vec<Vec<f64>> {
                rows.iter().enumerate().map(|(at, row)| self.turned(row, at, width)).collect()
            };
            let q = turn(project("self_attn.q_proj"));
            let k = turn(project("self_attn.k_proj"));
            let v = project("self_attn.v_proj");
            for (at, x) in x.iter_mut().enumerate() {
                let mut mixed = vec![0.0; heads * width];
                // A token sees itself and the `window - 1` before it.
                let first = (at + 1).saturating_sub(window);
                for head in 0..heads {
                    let (own, shared) = (head * width, head * kv / heads * width);
                    let score = |seen: usize| {
                        let dot = |i: usize| q[at][own + i] * k[seen][shared + i];
                        ((0..width).map(dot).sum::<f64>() / (width as f64).sqrt()).exp()
                    };
                    let scores: Vec<f64> = (first..=at).map(score).collect();
                    let sum: f64 = scores.iter().sum();
                    for (seen, score) in (first..=at).zip(scores) {
                        for i in 0..width {
                            mixed[own + i] += score / sum * v[seen][shared + i];
                        }
                    }
                }
                let update = self.linear(&key("self_attn.o_proj"), &mixed);
                x.iter_mut().zip(update).for_each(|(x, u)| *x += u);
                let normed = self.norm(&key("post_attention_layernorm"), x);
                let gate = self.linear(&key("mlp.gate_proj"), &normed);
                let up = self.linear(&key("mlp.up_proj"), &normed);
                let inner: Vec<f64> =
                    gate.iter().zip(up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
                let update = self.linear(&key("mlp.down_proj"), &inner);
                x.iter_mut().zip(update).for_each(|(x, u)| *x += u);
            }
        }
        x.iter().map(|x| self.norm("model.norm", x)).collect()
    }
}

/// States of the model and of the plain loops for the same embeddings; the model reads them at
/// once and in chunks with a cache.
fn both(more: Value) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let device = Device::flex();
    let json = config(more);
    let config: LlamaConfig = serde_json::from_value(json.clone()).unwrap();
    config.check().unwrap();
    // Numbers of its own: those of a device's seed are shared by all tests that run beside it.
    let mut state = 3u64;
    let mut number = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 1.04
    };
    let (model, _) = load_by_name(Llama::new(&config, &device), &mut |name, shape| {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|_| number()).collect();
        (!name.contains("norm")).then(|| TensorData::new(values, shape.to_vec()))
    });
    let mut weights = HashMap::new();
    visit_named(&model, &mut |name, data| {
        weights.insert(name.to_string(), data.iter::<f64>().collect());
    });
    let ids: Vec<i64> = (0..LENGTH).map(|i| (i * i + 3) as i64 % 11).collect();
    let ids = Tensor::<1, burn::tensor::Int>::from_data(ids.as_slice(), &device);
    let embeds = model.embed(ids.unsqueeze());
    let rows: Vec<f64> = embeds.to_data().iter::<f64>().collect();
    let rows = rows.chunks(config.hidden_size).map(<[f64]>::to_vec).collect();
    let plain = Plain { config: json, weights }.forward(rows);
    let plain = plain.into_iter().flatten().map(|v| v as f32).collect();

    let floats = |x: Tensor<3>| x.into_data().try_to_vec::<f32>().unwrap();
    let positions = Positions::sequence(1, 0, LENGTH);
    let whole = floats(model.forward(embeds.clone(), &positions, None, None).unwrap());
    let mut cache = KvCache::new(&config, LENGTH, &device);
    let mut chunks = Vec::new();
    for length in [7, 1, 1, 20, 11] {
        let at = cache.len();
        let chunk = embeds.clone().narrow(1, at, length);
        let positions = Positions::sequence(1, at, length);
        chunks.push(model.forward(chunk, &positions, None, Some(&mut cache)).unwrap());
    }
    (whole, floats(Tensor::cat(chunks, 1)), plain)
}

#[test]
fn rope_scaling_and_sliding_window_are_what_plain_loops_compute() {
    // 40 tokens over an original context of 16.
    let llama3 = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 0.2,
        "high_freq_factor": 2.0, "original_max_position_embeddings": 16});
    let plain = both(json!({})).2;
    for more in [
        json!({}),
        json!({"rope_scaling": llama3}),
        json!({"sliding_window": 5}),
        json!({"sliding_window": 5, "rope_scaling": llama3}),
        json!({"sliding_window": 1}),
    ] {
        let (whole, chunks, expected) = both(more.clone());
        close(&whole, &expected, 1e-4).unwrap_or_else(|e| panic!("{more}: {e}"));
        close(&chunks, &expected, 1e-4).unwrap_or_else(|e| panic!("{more}, in chunks: {e}"));
        // Without the setting the numbers are far away, so leaving it out would be seen.
        let set = more.as_object().unwrap().len();
        assert_eq!(close(&expected, &plain, 1e-2).is_err(), set > 0, "{more}");
    }
}

#[test]
fn the_wavelengths_of_the_test_are_of_all_three_kinds() {
    let scaled = json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0,
        "low_freq_factor": 0.2, "high_freq_factor": 2.0, "original_max_position_embeddings": 16}});
    let plain = frequencies(&config(json!({})), 8);
    let ratios: Vec<f64> =
        frequencies(&config(scaled), 8).iter().zip(&plain).map(|(a, b)| a / b).collect();
    assert!(ratios.contains(&1.0), "{ratios:?}");
    assert!(ratios.iter().any(|&r| (r - 0.125).abs() < 1e-12), "{ratios:?}");
    assert!(ratios.iter().any(|&r| r > 0.13 && r < 0.99), "{ratios:?}");
}

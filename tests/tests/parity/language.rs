//! The language model against the reference: states, scores, gradients, greedy continuation, and
//! the ways of reading a sequence against each other.

use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use refvlm_model::language::{
    CacheFull, KvCache, Llama, LlamaConfig, LlamaError, Positions, Sampler, Sampling,
    SamplingError, argmax, distribution,
};
use refvlm_tests::{Fixture, cases, close};

fn ids(values: &[i64], device: &Device) -> Tensor<2, Int> {
    let shape = [1, values.len()];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().convert::<f32>().try_to_vec().unwrap()
}

#[test]
fn states_scores_and_gradients_are_the_references() {
    for name in cases::LLAMAS {
        let rest = |key: &str| !key.starts_with("out.greedy");
        let Some(fixture) = Fixture::open_for(name, rest) else { continue };
        let device = Device::flex().autodiff();
        let (model, [embeds, logits]) = cases::llama_states(&fixture, &device);
        let [batch, length]: [usize; 2] = fixture.shape("in.labels").try_into().unwrap();
        let vocab = logits.dims()[2];
        let labels = fixture.ints("in.labels");
        let (rows, targets): (Vec<i64>, Vec<i64>) = (0..labels.len() - 1)
            .filter(|i| (i + 1) % length != 0 && labels[i + 1] != -100)
            .map(|i| (i as i64, labels[i + 1]))
            .unzip();
        let count = rows.len();
        let pick = |values: Vec<i64>| TensorData::new(values, [count]);
        let scores = logits
            .reshape([batch * length, vocab])
            .select(0, Tensor::<1, Int>::from_data(pick(rows), &device));
        let targets = Tensor::<1, Int>::from_data(pick(targets), &device).reshape([count, 1]);
        let loss = -activation::log_softmax(scores, 1).gather(1, targets).mean();
        fixture.assert_close("out.loss", loss.clone());

        let gradients = loss.backward();
        fixture.assert_close("grad.inputs_embeds", embeds.grad(&gradients).unwrap());
        fixture.assert_weight_gradients(&model, &gradients);
    }
}

#[test]
fn greedy_continuation_with_the_cache_is_the_references() {
    let device = Device::flex();
    for name in cases::LLAMAS {
        let greedy = |key: &str| key.starts_with("out.greedy");
        let Some(fixture) = Fixture::open_for(name, greedy) else { continue };
        let (config, model) = cases::llama(&fixture, &device);
        for k in 0.. {
            let key = format!("in.prompt_ids.{k}");
            if !fixture.has(&key) {
                assert!(k > 0, "{name} has no prompt");
                break;
            }
            let prompt = fixture.ints(&key);
            let expected = fixture.ints(&format!("out.greedy_ids.{k}"));
            let mut cache = KvCache::new(&config, prompt.len() + expected.len(), &device);
            let (mut chunk, mut states, mut found) = (prompt, vec![], vec![]);
            let mut margin = f32::INFINITY;
            while found.len() < expected.len() {
                let positions = Positions::sequence(1, cache.len(), chunk.len());
                let embeds = model.embed(ids(&chunk, &device));
                let hidden = model.forward(embeds, &positions, None, Some(&mut cache)).unwrap();
                let last = hidden.clone().narrow(1, chunk.len() - 1, 1);
                states.push(hidden);
                let scores = floats(model.logits(last));
                let token = argmax(&scores, None).unwrap();
                let second = scores.iter().enumerate().filter(|(id, _)| *id != token as usize);
                let second = second.fold(f32::NEG_INFINITY, |best, (_, &score)| best.max(score));
                margin = margin.min(scores[token as usize] - second);
                found.push(i64::from(token));
                chunk = vec![i64::from(token)];
            }
            assert_eq!(found, expected, "{name} prompt {k}");
            fixture.assert_close(&format!("out.greedy_hidden.{k}"), Tensor::cat(states, 1));
            let margin = Tensor::<1>::from_floats([margin], &device);
            fixture.assert_close(&format!("out.greedy_margin.{k}"), margin);
        }
    }
}

/// A small model of each kind, without files.
fn toy(kv_heads: usize, window: Option<usize>) -> LlamaConfig {
    let json = format!(
        r#"{{"vocab_size": 23, "hidden_size": 24, "intermediate_size": 20, "model_type": "llama",
            "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": {kv_heads},
            "initializer_range": 0.3, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
            "rope_scaling": {{"type": "llama3", "rope_type": "llama3", "factor": 4,
                "low_freq_factor": 1, "high_freq_factor": 4,
                "original_max_position_embeddings": 16}}}}"#
    );
    let mut config: LlamaConfig = serde_json::from_str(&json).unwrap();
    config.sliding_window = window;
    config
}

#[test]
fn chunks_tokens_and_whole_sequences_are_read_alike() {
    let device = Device::flex();
    for (kv_heads, window) in [(6, None), (2, None), (1, None), (2, Some(4))] {
        let config = toy(kv_heads, window);
        let model = Llama::new(&config, &device);
        let tokens: Vec<i64> = (0..17).map(|i| (i * 7 + 3) % 23).collect();
        let embeds = model.embed(ids(&tokens, &device));
        let whole = floats(
            model.forward(embeds.clone(), &Positions::sequence(1, 0, 17), None, None).unwrap(),
        );
        for chunks in [&[1; 17][..], &[5, 1, 1, 4, 6], &[17]] {
            let mut cache = KvCache::new(&config, 17, &device);
            // A wrong turn that is taken back must leave no trace.
            let wrong = embeds.clone().narrow(1, 9, 6);
            model.forward(wrong, &Positions::sequence(1, 0, 6), None, Some(&mut cache)).unwrap();
            cache.truncate(0);
            let mut states = vec![];
            for &n in chunks {
                let at = cache.len();
                let chunk = embeds.clone().narrow(1, at, n);
                let positions = Positions::sequence(1, at, n);
                states.push(model.forward(chunk, &positions, None, Some(&mut cache)).unwrap());
            }
            close(&floats(Tensor::cat(states, 1)), &whole, 1e-4).unwrap();
        }
    }
}

#[test]
fn packed_dialogues_are_independent() {
    let device = Device::flex();
    let config = toy(2, None);
    let model = Llama::new(&config, &device);
    // A shared beginning of 4 tokens and two continuations of 3 that must not see each other.
    let tokens = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    let visible = |q: usize, k: usize| k <= q && !(q >= 7 && (4..7).contains(&k));
    let bias: Vec<f32> =
        (0..100).map(|i| if visible(i / 10, i % 10) { 0.0 } else { -1e9 }).collect();
    let bias = Tensor::from_data(TensorData::new(bias, [1, 1, 10, 10]), &device);
    let positions = Positions::new(vec![vec![0, 1, 2, 3, 4, 5, 6, 4, 5, 6]]);
    let packed =
        model.forward(model.embed(ids(&tokens, &device)), &positions, Some(bias), None).unwrap();
    let second = [1, 2, 3, 4, 8, 9, 10];
    let alone = model
        .forward(model.embed(ids(&second, &device)), &Positions::sequence(1, 0, 7), None, None)
        .unwrap();
    close(&floats(packed.narrow(1, 7, 3)), &floats(alone.narrow(1, 4, 3)), 1e-4).unwrap();
}

#[test]
fn what_does_not_fit_is_an_error() {
    let device = Device::flex();
    let config = toy(2, None);
    let model = Llama::new(&config, &device);
    let embeds = model.embed(ids(&[1, 2, 3], &device));
    let mut cache = KvCache::new(&config, 4, &device);
    let positions = Positions::sequence(1, 0, 3);
    let mut read = |positions: &Positions, bias| {
        model.forward(embeds.clone(), positions, bias, Some(&mut cache)).map(|_| ())
    };
    read(&positions, None).unwrap();
    let full = CacheFull { len: 3, more: 3, capacity: 4 };
    assert_eq!(read(&positions, None), Err(LlamaError::CacheFull(full)));
    let short = Positions::sequence(1, 0, 2);
    assert_eq!(read(&short, None), Err(LlamaError::Positions { batch: 1, length: 3 }));
    cache.truncate(0);
    let bias = Tensor::zeros([1, 1, 3, 5], &device);
    let wrong = model.forward(embeds.clone(), &positions, Some(bias), Some(&mut cache));
    assert!(matches!(wrong, Err(LlamaError::Bias { expected: [1, 1, 3, 3], .. })));
    let two = Tensor::cat(vec![embeds.clone(), embeds], 0);
    let wrong = model.forward(two, &Positions::sequence(2, 0, 3), None, Some(&mut cache));
    assert!(matches!(wrong, Err(LlamaError::Cache { batch: 2, .. })));
}

#[test]
fn configs_that_cannot_be_are_refused() {
    let good = toy(2, None);
    good.check().unwrap();
    let text = serde_json::to_string(&good).unwrap();
    assert_eq!(serde_json::from_str::<LlamaConfig>(&text).unwrap(), good);
    type Damage = fn(&mut LlamaConfig);
    let damages: [Damage; 8] = [
        |c| c.num_attention_heads = 0,
        |c| c.num_key_value_heads = Some(4),
        |c| c.num_key_value_heads = Some(0),
        |c| c.hidden_size = 25,
        |c| c.hidden_size = usize::MAX,
        |c| c.head_dim = Some(3),
        |c| c.rope_theta = f64::NAN,
        |c| c.sliding_window = Some(0),
    ];
    for (i, damage) in damages.into_iter().enumerate() {
        let mut config = good.clone();
        damage(&mut config);
        assert!(config.check().is_err(), "damage {i}");
    }
    let unknown = text.replace("llama3", "yarn");
    assert!(serde_json::from_str::<LlamaConfig>(&unknown).is_err());
}

#[test]
fn filtered_distributions_are_the_references() {
    let Some(fixture) = Fixture::open("sampling") else { return };
    let vocab: usize = fixture.setting("vocab");
    let scores = fixture.floats("in.logits");
    let greedy: Vec<i64> =
        scores.chunks(vocab).map(|row| i64::from(argmax(row, None).unwrap())).collect();
    assert_eq!(greedy, fixture.ints("out.greedy"));
    for temperature in fixture.setting::<Vec<f64>>("temperatures") {
        for top_k in fixture.setting::<Vec<usize>>("top_k") {
            for top_p in fixture.setting::<Vec<f64>>("top_p") {
                let name = format!("t{temperature:?}_k{top_k}_p{top_p:?}");
                let (temperature, top_p) = (temperature as f32, top_p as f32);
                let sampling = Sampling { temperature, top_k, top_p, seed: 0 };
                let mut found = vec![0.0; scores.len()];
                for (row, out) in scores.chunks(vocab).zip(found.chunks_mut(vocab)) {
                    for (id, p) in distribution(row, None, &sampling).unwrap() {
                        out[id as usize] = p;
                    }
                }
                let kept: Vec<u8> = found.iter().map(|&p| u8::from(p > 0.0)).collect();
                assert_eq!(kept, fixture.bytes(&format!("out.keep.{name}")), "{name}");
                let key = format!("out.probs.{name}");
                close(&found, &fixture.floats(&key), fixture.tolerance("out")).unwrap();
            }
        }
    }
}

#[test]
fn drawing_follows_the_distribution_the_mask_and_the_seed() {
    let scores = [1.0, 2.0, 3.0, f32::NAN, 9.0];
    let mask = |id: u32| id != 4;
    let sampling = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 5 };
    let draw = |seed: u64, n: usize| {
        let mut sampler = Sampler::new(Sampling { seed, ..sampling });
        (0..n).map(|_| sampler.next(&scores, Some(&mask)).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(draw(5, 50), draw(5, 50));
    assert_ne!(draw(5, 50), draw(6, 50));
    let drawn = draw(5, 20_000);
    for (id, p) in distribution(&scores, Some(&mask), &sampling).unwrap() {
        let share = drawn.iter().filter(|&&d| d == id).count() as f32 / drawn.len() as f32;
        // Four standard errors.
        assert!((share - p).abs() < 0.015, "{id}: {share} drawn, {p} expected");
    }
    assert!(drawn.iter().all(|&d| d < 3));
    assert_eq!(argmax(&scores, Some(&|_| false)), Err(SamplingError::NothingLeft));
    let frozen = Sampling { temperature: 1e-38, ..sampling };
    assert_eq!(distribution(&scores, Some(&mask), &frozen).unwrap().last(), Some(&(2, 1.0)));
}

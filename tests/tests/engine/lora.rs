//! Low-rank adapters beside linear maps, whatever form the weights have.

use burn::module::Param;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use refvlm_model::language::{ConfigError, Llama, LlamaConfig, Positions};
use refvlm_model::layers::{Linear, LoraConfig, LoraError, PackedWeight, is_lora};
use refvlm_model::package::Quantisation;
use refvlm_model::package::by_name::{load_by_name, names, visit_named};
use refvlm_model::refvlm::RefVlm;
use refvlm_model::vision::VisualEncoderConfig;
use refvlm_tests::{close, packaged, scenes_config};
use std::collections::HashMap;

fn lora(r: usize, targets: &[&str]) -> LoraConfig {
    let target_modules = targets.iter().map(ToString::to_string).collect();
    LoraConfig {
        r,
        lora_alpha: 0.75 * r as f64,
        target_modules,
        use_rslora: false,
        lora_dropout: 0.0,
    }
}

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().convert::<f32>().try_to_vec().unwrap()
}

/// Numbers of a normal distribution of deviation 1, nearly: sums of twelve of a uniform one.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        let mut uniform = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 40) as f32 / (1u64 << 24) as f32
        };
        (0..12).map(|_| uniform()).sum::<f32>() - 6.0
    }

    fn data(&mut self, shape: &[usize], deviation: f32) -> TensorData {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| self.next() * deviation).collect();
        TensorData::new(values, shape)
    }

    fn tensor<const D: usize>(&mut self, shape: [usize; D], device: &Device) -> Tensor<D> {
        Tensor::from_data(self.data(&shape, 1.0), device)
    }
}

/// A map with an adapter that changes something, large enough that its factors could be packed.
fn adapted(width: usize, out: usize, numbers: &mut Numbers, device: &Device) -> Linear {
    let map = Linear::new(width, out, true, device).with_lora(Some(&lora(64, &["map"])), "a.map");
    load_by_name(map, &mut |name, shape| is_lora(name).then(|| numbers.data(shape, 0.3))).0
}

fn factors(map: &Linear) -> [Tensor<2>; 2] {
    [&map.lora_A, &map.lora_B].map(|factor| factor.as_ref().unwrap().weight.val())
}

#[test]
fn the_product_is_added_whatever_the_weight_is() {
    let device = Device::flex();
    let mut numbers = Numbers(1);
    let map = adapted(64, 97, &mut numbers, &device);
    let x = numbers.tensor([2, 5, 64], &device);
    let [a, b] = factors(&map);
    let added = x.clone().matmul(a.transpose().unsqueeze()).matmul(b.transpose().unsqueeze());
    let added = floats(added * 0.75);
    let mut half = map.clone();
    half.weight = Param::from_tensor(map.weight.val().cast(DType::F16));
    let fresh = || adapted(64, 97, &mut Numbers(9), &device);
    let [q8, q4] = [Quantisation::Q8, Quantisation::Q4].map(|form| packaged(&map, fresh(), form));
    assert!(q4.weight.reparameterization::<PackedWeight>().is_some());
    // Packages round adapters to f16.
    for (map, tolerance) in [(map, 1e-5), (half, 1e-5), (q8, 2e-3), (q4, 2e-3)] {
        let mut plain = map.clone();
        (plain.lora_A, plain.lora_B) = (None, None);
        let difference = floats(map.forward(x.clone()) - plain.forward(x.clone()));
        close(&difference, &added, tolerance).unwrap();
    }
}

#[test]
fn a_new_adapter_starts_as_that_of_peft_and_adds_nothing() {
    let device = Device::flex();
    let map = Linear::new(64, 33, true, &device).with_lora(Some(&lora(8, &["a.map"])), "a.map");
    let [a, b] = factors(&map);
    assert_eq!((a.dims(), b.dims()), ([8, 64], [33, 8]));
    let a = floats(a);
    let bound = 1.0 / 8.0;
    assert!(a.iter().all(|x| x.abs() <= bound) && a.iter().any(|x| x.abs() > 0.9 * bound));
    assert!(floats(b).iter().all(|&x| x == 0.0));
    let mut plain = map.clone();
    (plain.lora_A, plain.lora_B) = (None, None);
    let x = Numbers(2).tensor([3, 64], &device);
    assert_eq!(floats(map.forward(x.clone())), floats(plain.forward(x)));
    for path in ["a.other", "remap", "a.map.b"] {
        let map = Linear::new(4, 4, true, &device).with_lora(Some(&lora(8, &["map"])), path);
        assert!(map.lora_A.is_none() && map.lora_B.is_none(), "{path}");
    }
}

#[test]
fn the_scale_is_that_of_peft() {
    let mut lora = lora(4, &["x"]);
    assert_eq!(lora.scale(), 0.75);
    lora.use_rslora = true;
    assert_eq!(lora.scale(), 1.5);
}

/// Those of the factors follow from that of the merged matrix, `G`: `scale * Bᵀ G` and
/// `scale * G Aᵀ`. A packed matrix has none itself.
#[test]
fn gradients_reach_the_factors() {
    let device = Device::flex().autodiff();
    let mut numbers = Numbers(3);
    let map = adapted(32, 70, &mut numbers, &device);
    let fresh = || adapted(32, 70, &mut Numbers(9), &device);
    let packed = packaged(&map, fresh(), Quantisation::Q4);
    assert!(packed.weight.reparameterization::<PackedWeight>().is_some());
    let (x, weights) = (numbers.tensor([6, 32], &device), numbers.tensor([6, 70], &device));
    for (map, dense) in [(map, true), (packed, false)] {
        let gradients = (map.forward(x.clone()) * weights.clone()).sum().backward();
        let [a, b] = factors(&map);
        let whole = weights.clone().transpose().matmul(x.clone());
        let expected = [
            b.clone().transpose().matmul(whole.clone()) * 0.75,
            whole.matmul(a.clone().transpose()) * 0.75,
        ];
        for (factor, expected) in [a, b].into_iter().zip(expected) {
            close(&floats(factor.grad(&gradients).unwrap()), &floats(expected), 1e-5).unwrap();
        }
        assert_eq!(map.weight.base().grad(&gradients).is_some(), dense);
    }
}

/// Nothing but the factors is added to the list of parameters, and nothing without a configuration.
#[test]
fn parameters_without_adapters_are_what_they_were() {
    let device = Device::flex();
    let plain = names(&RefVlm::new(&scenes_config(), &device).unwrap());
    assert!(plain.iter().all(|(name, _)| !name.contains("lora")));
    let mut config = scenes_config();
    let all = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    config.llm.lora = Some(lora(2, &all));
    *config.visual_encoder.lora_mut().unwrap() =
        Some(lora(3, &["q_proj", "out_proj", "fc1", "fc2"]));
    let mut adapted = names(&RefVlm::new(&config, &device).unwrap());
    let count = adapted.len();
    let query = "llm.model.layers.0.self_attn.q_proj.lora_A.weight".to_string();
    assert!(adapted.contains(&(query, vec![2, config.llm.hidden_size])));
    adapted.retain(|(name, _)| !is_lora(name));
    assert_eq!(adapted, plain);
    let blocks = config.visual_encoder.layers() - 1;
    assert_eq!(count - plain.len(), 2 * (7 * config.llm.num_hidden_layers + 4 * blocks));
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<refvlm_model::config::ModelConfig>(&text).unwrap(), config);
    assert!(!serde_json::to_string(&scenes_config()).unwrap().contains("lora"));
}

#[test]
fn dinov2_has_them_too() {
    let json = r#"{"model_type": "dinov2", "hidden_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
        "lora": {"r": 2, "lora_alpha": 4, "target_modules": ["query", "value", "dense"]}}"#;
    let config: VisualEncoderConfig = serde_json::from_str(json).unwrap();
    config.check().unwrap();
    let found = names(&config.init(&Device::flex()));
    let found = found.iter().filter(|(name, _)| is_lora(name)).count();
    assert_eq!(found, 2 * 2 * 3);
    let wrong: VisualEncoderConfig = serde_json::from_str(&json.replace("dense", "proj")).unwrap();
    assert_eq!(wrong.check().unwrap_err().field, "lora");
}

const SIZES: &str = r#"{"vocab_size": 96, "hidden_size": 128, "intermediate_size": 192,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 64}"#;

fn llama(lora: Option<LoraConfig>) -> LlamaConfig {
    LlamaConfig { lora, ..serde_json::from_str(SIZES).unwrap() }
}

#[test]
fn what_describes_no_adapter_is_refused() {
    let check = |lora: LoraConfig| llama(Some(lora)).check().unwrap_err();
    let good = || lora(2, &["q_proj"]);
    llama(Some(good())).check().unwrap();
    llama(Some(lora(2, &["lm_head", "layers.1.mlp.up_proj"]))).check().unwrap();
    for (lora, expected) in [
        (LoraConfig { r: 0, ..good() }, LoraError::Rank(0)),
        (LoraConfig { lora_alpha: 0.0, ..good() }, LoraError::Alpha(0.0)),
        (LoraConfig { lora_alpha: f64::INFINITY, ..good() }, LoraError::Alpha(f64::INFINITY)),
        (lora(2, &[]), LoraError::Targets(0)),
        (lora(2, &["q_proj", "proj"]), LoraError::Unknown("proj".into())),
        (lora(2, &["layers.2.mlp.up_proj"]), LoraError::Unknown("layers.2.mlp.up_proj".into())),
    ] {
        assert_eq!(check(lora), ConfigError::Lora(expected));
    }
    let tied = LlamaConfig { tie_word_embeddings: true, ..llama(Some(lora(2, &["lm_head"]))) };
    assert_eq!(tied.check(), Err(ConfigError::Lora(LoraError::Unknown("lm_head".into()))));
    let dora = r#"{"r": 2, "lora_alpha": 4, "target_modules": ["x"], "use_dora": true}"#;
    assert!(serde_json::from_str::<LoraConfig>(dora).is_err());
}

type Weights = HashMap<String, TensorData>;

fn filled(config: &LlamaConfig, weights: &Weights) -> Llama {
    let (model, report) = load_by_name(Llama::new(config, &Device::flex()), &mut |name, _| {
        weights.get(name).cloned()
    });
    assert!(report.is_complete(), "{report:?}");
    model
}

fn scores(model: &Llama) -> Vec<f32> {
    let ids: Vec<i64> = (0..24).map(|i| (i * 7 + 3) % 96).collect();
    let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [1, 24]), &Device::flex());
    let positions = Positions::sequence(1, 0, 24);
    let hidden = model.forward(model.embed(ids), &positions, None, None).unwrap();
    floats(model.logits(hidden))
}

/// The weights with the adapter added to them.
fn merge(weights: &Weights, scale: f32) -> Weights {
    let mut merged: Weights =
        weights.iter().filter(|(n, _)| !is_lora(n)).map(|(n, d)| (n.clone(), d.clone())).collect();
    for (name, a) in weights.iter().filter(|(name, _)| name.ends_with(".lora_A.weight")) {
        let module = name.trim_end_matches(".lora_A.weight");
        let b = &weights[&format!("{module}.lora_B.weight")];
        let target = merged.get_mut(&format!("{module}.weight")).unwrap();
        let (rank, width) = (a.shape()[0], a.shape()[1]);
        let values = |data: &TensorData| data.as_slice::<f32>().unwrap().to_vec();
        let (a, b, mut w) = (values(a), values(b), values(target));
        for (row, b) in w.chunks_mut(width).zip(b.chunks(rank)) {
            for (a, b) in a.chunks(width).zip(b) {
                row.iter_mut().zip(a).for_each(|(w, a)| *w += scale * b * a);
            }
        }
        *target = TensorData::new(w, target.shape().to_vec());
    }
    merged
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    (squares.sum::<f64>() / a.len() as f64).sqrt()
}

/// What q4 loses of a model with an adapter, merged before packing or kept beside the packed base,
/// by how large the adapter is against the weights. Of the scores, and of what the adapter changes
/// in them, which is the difference to the base in the same form.
#[test]
fn beside_a_packed_base_an_adapter_keeps_what_packing_would_lose() {
    const RANK: usize = 4;
    let all = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let adapter = lora(RANK, &all);
    let (plain, with, scale) = (llama(None), llama(Some(adapter.clone())), adapter.scale() as f32);
    let width = 0.08;
    for ratio in [0.03, 0.1, 0.3, 1.0] {
        let mut sums = [0.0; 6];
        for seed in 0..6 {
            let mut numbers = Numbers(seed);
            let mut weights = Weights::new();
            visit_named(&Llama::new(&with, &Device::flex()), &mut |name, data| {
                let deviation = match name {
                    name if name.ends_with("norm.weight") => 0.0,
                    "model.embed_tokens.weight" => 1.0,
                    name if name.ends_with("lora_A.weight") => 1.0,
                    name if name.ends_with("lora_B.weight") => {
                        ratio * width / scale / (RANK as f32).sqrt()
                    }
                    _ => width,
                };
                let data = match deviation {
                    0.0 => data,
                    deviation => numbers.data(data.shape(), deviation),
                };
                weights.insert(name.into(), data);
            });
            let base: Weights = merge(&weights, 0.0);
            let [base, merged] = [base, merge(&weights, scale)].map(|w| filled(&plain, &w));
            let kept = filled(&with, &weights);
            let truth = scores(&merged);
            let largest = truth.iter().fold(0f32, |most, x| most.max(x.abs()));
            close(&scores(&kept), &truth, 1e-5 * largest.max(1.0)).unwrap();
            let pack = |model: &Llama, config| {
                let fresh = Llama::new(config, &Device::flex());
                scores(&packaged(model, fresh, Quantisation::Q4))
            };
            let [kept, merged] = [pack(&kept, &with), pack(&merged, &plain)];
            let change = |after: &[f32], before: &[f32]| -> Vec<f32> {
                after.iter().zip(before).map(|(a, b)| a - b).collect()
            };
            let (base, packed_base) = (scores(&base), pack(&base, &plain));
            let wanted = change(&truth, &base);
            let figures = [
                distance(&kept, &truth),
                distance(&merged, &truth),
                distance(&truth, &vec![0.0; truth.len()]),
                distance(&change(&kept, &packed_base), &wanted),
                distance(&change(&merged, &packed_base), &wanted),
                distance(&wanted, &vec![0.0; wanted.len()]),
            ];
            sums.iter_mut().zip(figures).for_each(|(sum, x)| *sum += x);
        }
        let [kept, merged, of, kept_change, merged_change, of_change] = sums;
        println!(
            "adapter of {ratio} of the weights: scores lose {:.4} kept, {:.4} merged; what it \
             changes {:.4} kept, {:.4} merged",
            kept / of,
            merged / of,
            kept_change / of_change,
            merged_change / of_change
        );
        assert!(kept_change < merged_change, "{ratio}");
        // A small adapter leaves the blocks' scales as they are, so both scores lose as much.
        assert!(kept < merged || ratio < 0.3, "{ratio}");
    }
}

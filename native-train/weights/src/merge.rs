//! Adapters merged into the weights beside them.

use crate::package::values_of;
use burn::tensor::{Device, Tensor, TensorData};
use refvlm_model::config::{ModelConfig, ModelConfigError};
use refvlm_model::layers::is_lora;
use refvlm_model::package::by_name::load_by_name;
use refvlm_model::refvlm::RefVlm;

/// The same model without low-rank adapters: `W + scale * B A` in place of each weight that has one.
/// What is packed is unpacked.
///
/// # Errors
/// When the parts of the configuration do not fit each other.
pub fn merged(
    config: &ModelConfig,
    model: &RefVlm,
) -> Result<(ModelConfig, RefVlm), ModelConfigError> {
    let mut config = config.clone();
    let towers = config.visual_encoder.lora_mut().and_then(Option::take);
    if config.llm.lora.is_none() && towers.is_none() {
        return Ok((config, model.clone()));
    }
    let adapted = [("llm.", config.llm.lora.take()), ("visual_encoder.", towers)];
    let device = Device::flex();
    let mut values = values_of(model);
    for (prefix, lora) in adapted {
        let Some(lora) = lora else { continue };
        let names = values.keys().filter_map(|name| name.strip_suffix(".lora_A.weight"));
        let names: Vec<String> =
            names.filter(|name| name.starts_with(prefix)).map(String::from).collect();
        for name in names {
            let mut take = |end: &str| {
                let data = values.remove(&format!("{name}.{end}"))?;
                Some(Tensor::<2>::from_data(data, &device))
            };
            let factors = (take("lora_A.weight"), take("lora_B.weight"), take("weight"));
            if let (Some(a), Some(b), Some(weight)) = factors {
                let sum: TensorData = (weight + b.matmul(a) * lora.scale()).into_data();
                values.insert(format!("{name}.weight"), sum);
            }
        }
    }
    values.retain(|name, _| !is_lora(name));
    let model = RefVlm::new(&config, &device)?;
    Ok((config, load_by_name(model, &mut |name, _| values.remove(name)).0))
}

//! Linear maps, embeddings and small perceptrons.

use super::dropout::dropout;
use super::lora::{LoraConfig, LoraFactor};
use super::packed::{PackedWeight, on_host};
use burn::module::{Module, Param, ParamId};
use burn::tensor::{DType, Device, Distribution, Int, Tensor, activation};
use refvlm_shaders::{gelu_in_place, swish_in_place};
use serde::{Deserialize, Serialize};

/// Uniform in `±1/sqrt(fan_in)`: PyTorch's default for linear maps and convolutions.
pub fn uniform<const D: usize>(
    shape: [usize; D],
    fan_in: usize,
    device: &Device,
) -> Param<Tensor<D>> {
    let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
    random(shape, Distribution::Uniform(-bound, bound), device)
}

pub(super) fn random<const D: usize>(
    shape: [usize; D],
    distribution: Distribution,
    device: &Device,
) -> Param<Tensor<D>> {
    lazy(shape, move |device| Tensor::random(shape, distribution, device), device)
}

/// Drawn at first use, so that a model about to be loaded never allocates its random weights.
fn lazy<const D: usize>(
    shape: [usize; D],
    draw: impl Fn(&Device) -> Tensor<D> + Send + Sync + 'static,
    device: &Device,
) -> Param<Tensor<D>> {
    let init = move |device: &Device, require_grad: bool| {
        let values = draw(device);
        if require_grad { values.require_grad() } else { values }
    };
    Param::uninitialized(ParamId::new(), init, device.clone(), true, shape.into())
}

/// `y = x Wᵀ + b` with the weight as `[out, in]`, for every kind of weight: a dense one of another
/// dtype is cast to that of `x`, a packed one (q8, q4) is multiplied as it is. With an adapter,
/// `scale * B (A x)` is added, whatever the weight is.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// `A` of the adapter; it has both factors or none.
    pub lora_A: Option<LoraFactor>,
    /// `B` of the adapter.
    pub lora_B: Option<LoraFactor>,
    #[module(skip)]
    lora_scale: f64,
    #[module(skip)]
    lora_dropout: f64,
}

impl Linear {
    /// A randomly initialised map.
    pub fn new(d_in: usize, d_out: usize, bias: bool, device: &Device) -> Self {
        Self {
            bias: bias.then(|| uniform([d_out], d_in, device)),
            ..Self::of(uniform([d_out, d_in], d_in, device))
        }
    }

    /// A map without bias, drawn from N(0, `std`).
    pub fn normal(d_in: usize, d_out: usize, std: f64, device: &Device) -> Self {
        Self::of(random([d_out, d_in], Distribution::Normal(0.0, std), device))
    }

    fn of(weight: Param<Tensor<2>>) -> Self {
        Self { weight, bias: None, lora_A: None, lora_B: None, lora_scale: 1.0, lora_dropout: 0.0 }
    }

    /// The map with a new adapter, which adds nothing yet, if `lora` names this path.
    pub fn with_lora(self, lora: Option<&LoraConfig>, path: &str) -> Self {
        let Some(lora) = lora.filter(|lora| lora.adapts(path)) else { return self };
        let ([d_out, d_in], device) = (self.weight.lazy_shape().dims(), self.weight.lazy_device());
        let zeros = [d_out, lora.r];
        let zeros = lazy(zeros, move |device| Tensor::zeros(zeros, device), &device);
        Self {
            lora_A: Some(LoraFactor { weight: uniform([lora.r, d_in], d_in, &device) }),
            lora_B: Some(LoraFactor { weight: zeros }),
            lora_scale: lora.scale(),
            lora_dropout: lora.lora_dropout,
            ..self
        }
    }

    /// # Shapes
    /// `[..., in] -> [..., out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.apply(self.bias.as_ref().map(Param::val), x)
    }

    /// Several maps of one input, as each of them alone; packed ones in one go.
    ///
    /// # Shapes
    /// `[..., in] -> [..., out]` of each
    pub fn forward_all<const N: usize, const D: usize>(
        maps: [&Self; N],
        x: Tensor<D>,
    ) -> [Tensor<D>; N] {
        let device = x.device();
        let plain = |map: &Self| map.bias.is_none() && map.lora_A.is_none();
        let packed = maps.map(|map| PackedWeight::of(&map.weight, &device).filter(|_| plain(map)));
        PackedWeight::products(packed, x.clone())
            .unwrap_or_else(|| maps.map(|map| map.forward(x.clone())))
    }

    /// The same for callers that add the bias in a pass of their own.
    ///
    /// # Shapes
    /// `[..., in] -> [..., out]`
    pub fn without_bias<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.apply(None, x)
    }

    fn apply<const D: usize>(&self, bias: Option<Tensor<1>>, x: Tensor<D>) -> Tensor<D> {
        let (Some(a), Some(b)) = (&self.lora_A, &self.lora_B) else {
            return product(&self.weight, bias, x);
        };
        let low = dropout(x.clone(), self.lora_dropout);
        let low = product(&a.weight, None, low) * self.lora_scale;
        product(&self.weight, bias, x) + product(&b.weight, None, low)
    }
}

fn product<const D: usize>(
    weight: &Param<Tensor<2>>,
    bias: Option<Tensor<1>>,
    x: Tensor<D>,
) -> Tensor<D> {
    let dtype = x.dtype();
    let bias = bias.map(|bias| bias.cast(dtype));
    if let Some(packed) = PackedWeight::of(weight, &x.device()) {
        let y = packed.product(x);
        return match bias {
            Some(bias) => y + bias.unsqueeze(),
            None => y,
        };
    }
    // As two axes: with more, burn gives the transposed weight as many, which copies all of it.
    let (weight, mut shape) = (weight.val().cast(dtype), x.dims());
    let [d_out, d_in] = weight.dims();
    let rows = shape.iter().take(D - 1).product();
    let y = burn::tensor::module::linear(x.reshape([rows, d_in]), weight.transpose(), bias);
    shape[D - 1] = d_out;
    y.reshape(shape)
}

/// A table of rows looked up by id.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[count, dim]`.
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// Rows drawn from N(0, `std`).
    pub fn new(count: usize, dim: usize, std: f64, device: &Device) -> Self {
        Self { weight: random([count, dim], Distribution::Normal(0.0, std), device) }
    }

    /// # Shapes
    /// ids `[batch, length]` -> `[batch, length, dim]`
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        match PackedWeight::of(&self.weight, &ids.device()) {
            Some(packed) => packed.rows(ids),
            None => burn::tensor::module::embedding(self.weight.val(), ids),
        }
    }

    /// The product with every row: the output projection of a model that ties it to the table.
    ///
    /// # Shapes
    /// `[..., dim] -> [..., count]`
    pub fn project<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        product(&self.weight, None, x)
    }
}

/// The non-linearities of the published configurations, by their Hugging Face names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// `x Φ(x)`, exact (erf).
    Gelu,
    /// `x σ(1.702 x)`, CLIP's approximation.
    QuickGelu,
    /// `x σ(x)`
    Silu,
}

impl Activation {
    /// Applies the non-linearity to each element.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        if on_host(&x.device()) && x.dtype() == DType::F32 {
            match self {
                Activation::Relu => {}
                Activation::Gelu => return in_place(x, gelu_in_place),
                Activation::QuickGelu => return in_place(x, |x| swish_in_place(x, 1.702)),
                Activation::Silu => return in_place(x, |x| swish_in_place(x, 1.0)),
            }
        }
        match self {
            Activation::Relu => activation::relu(x),
            Activation::Gelu => activation::gelu(x),
            Activation::QuickGelu => x.clone() * activation::sigmoid(x * 1.702),
            Activation::Silu => activation::silu(x),
        }
    }
}

/// A loop of our own over all numbers: burn's call the library for each exponential.
fn in_place<const D: usize>(x: Tensor<D>, change: impl Fn(&mut [f32])) -> Tensor<D> {
    let device = x.device();
    let mut data = x.into_data();
    // Elements are f32, so the slice is never refused.
    if let Ok(x) = data.as_mut_slice::<f32>() {
        change(x);
    }
    Tensor::from_data(data, &device)
}

/// Linear maps with an activation between them: `layers.0`, `layers.1`, ...
#[derive(Module, Debug)]
pub struct Mlp {
    /// The maps, first to last.
    pub layers: Vec<Linear>,
    #[module(skip)]
    activation: Activation,
}

impl Mlp {
    /// Maps `dims[0] -> dims[1] -> ...`, all with bias.
    pub fn new(dims: &[usize], activation: Activation, device: &Device) -> Self {
        let layers = dims.windows(2).map(|d| Linear::new(d[0], d[1], true, device)).collect();
        Self { layers, activation }
    }

    /// # Shapes
    /// `[..., dims[0]] -> [..., dims[last]]`; no activation after the last map.
    pub fn forward<const D: usize>(&self, mut x: Tensor<D>) -> Tensor<D> {
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = self.activation.forward(x);
            }
            x = layer.forward(x);
        }
        x
    }
}

//! The adapter of the publication's code, which lets a triplet's references see its phrase and the
//! language model's view of the picture before they are decoded. No released configuration uses
//! it.
//!
//! Two things of the original are mended: references return to their own picture (there every
//! picture got those of the first), and counts are not limited to 255. Two are not known and
//! chosen here: the fixed sinusoid is that of the first transformer, sines and cosines in turns,
//! and the phrase is what stands between its marks.

use super::queries::QueryLayout;
use crate::layers::{Activation, Embedding};
use crate::layers::{ConfigError, require};
use crate::sam::{FourierPosition, LinPair, TwoWaySizes, TwoWayTransformer};
use burn::module::Module;
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Sizes; the default is the one example that the original has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VdAdapterConfig {
    /// Width, that of the language model.
    pub d_model: usize,
    /// Width inside all perceptrons.
    pub d_ffn: usize,
    /// Layers of the transformer.
    pub depth: usize,
    /// Its attention heads.
    pub heads: usize,
    /// References of a triplet; more are left out.
    pub max_refs: usize,
    /// Tokens of a phrase; more are left out.
    pub max_phrase: usize,
}

impl Default for VdAdapterConfig {
    fn default() -> Self {
        Self { d_model: 4096, d_ffn: 8192, depth: 2, heads: 8, max_refs: 100, max_phrase: 100 }
    }
}

impl VdAdapterConfig {
    /// Checks that a module can be built.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (field, value) in
            [("d_ffn", self.d_ffn), ("max_refs", self.max_refs), ("max_phrase", self.max_phrase)]
        {
            require(value > 0, field, || "0; give at least 1".into())?;
        }
        let dim = self.d_model;
        let divides = self.heads > 0 && dim > 0 && dim.is_multiple_of(2 * self.heads);
        require(divides, "heads", || {
            format!("{} heads do not divide half of d_model {dim}", self.heads)
        })
    }
}

/// See the module documentation.
#[derive(Module, Debug)]
pub struct VdAdapter {
    /// Of the picture's rows.
    pub in_proj_image: LinPair,
    /// Of references and phrases.
    pub in_proj_text: LinPair,
    /// Places of the picture's rows.
    pub pe_image: FourierPosition,
    /// Learned places of references, then of the phrase.
    pub text_embedding: Embedding,
    /// Between both.
    pub model: TwoWayTransformer,
    #[module(skip)]
    max_refs: usize,
}

/// A triplet as the language model sees it.
#[derive(Debug, Clone)]
pub struct AdapterGroup {
    /// Its picture.
    pub picture: usize,
    /// The states that predicted its `<REF>`s, `[refs, d_model]`, at least one.
    pub refs: Tensor<2>,
    /// The states that predicted its concept, `[tokens, d_model]`; none without words.
    pub phrase: Option<Tensor<2>>,
}

/// What decoders get instead of reference states and the last map.
#[derive(Debug, Clone)]
pub struct AdapterOutput {
    /// `[pictures, width, d_model]`, zeros after the real ones.
    pub refs: Tensor<3>,
    /// Which of them form a triplet.
    pub layout: QueryLayout,
    /// `[pictures, d_model, h, w]`: the mean over the picture's triplets; where it has none, the
    /// rows as they came.
    pub map: Tensor<4>,
}

impl VdAdapter {
    /// A randomly initialised adapter.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others.
    pub fn new(config: &VdAdapterConfig, device: &Device) -> Result<Self, ConfigError> {
        config.check()?;
        let (dim, wide) = (config.d_model, config.d_ffn);
        let project = || LinPair::new([dim, wide, dim], Activation::Gelu, device);
        let sizes =
            TwoWaySizes { dim, depth: config.depth, heads: config.heads, mlp_dim: config.d_ffn };
        Ok(Self {
            in_proj_image: project(),
            in_proj_text: project(),
            pe_image: FourierPosition::new(dim, device),
            text_embedding: Embedding::new(config.max_refs + config.max_phrase, dim, 1.0, device),
            model: TwoWayTransformer::new(sizes, device),
            max_refs: config.max_refs,
        })
    }

    /// # Shapes
    /// - `image` `[pictures, h * w, d_model]`: the last states of the pictures' rows
    /// - `groups`: all triplets, picture after picture; at least one
    pub fn forward(
        &self,
        image: Tensor<3>,
        [h, w]: [usize; 2],
        groups: &[AdapterGroup],
    ) -> AdapterOutput {
        let device = image.device();
        let [pictures, cells, dim] = image.dims();
        let [length, _] = self.text_embedding.weight.dims();
        let text = |group: &AdapterGroup| {
            let refs = fit(group.refs.clone(), self.max_refs);
            let phrase = match &group.phrase {
                Some(phrase) => fit(phrase.clone(), length - self.max_refs),
                None => Tensor::zeros([length - self.max_refs, dim], &device),
            };
            Tensor::cat(vec![refs, phrase], 0).unsqueeze::<3>()
        };
        let text = self.in_proj_text.forward(Tensor::cat(groups.iter().map(text).collect(), 0))
            + self.text_embedding.weight.val().unsqueeze()
            + sinusoid(length, dim, &device).unsqueeze();
        let places: Vec<i64> = groups.iter().map(|group| group.picture as i64).collect();
        let places = Tensor::<1, Int>::from_data(places.as_slice(), &device);
        let rows = self.in_proj_image.forward(image.clone()).select(0, places.clone());
        let positions = self.pe_image.grid([h, w]).unsqueeze();
        let (text, rows) = self.model.forward(rows, positions, text);

        let kept = |group: &AdapterGroup| group.refs.dims()[0].min(self.max_refs);
        let mut sizes = vec![Vec::new(); pictures];
        let mut own: Vec<Vec<Tensor<3>>> = vec![Vec::new(); pictures];
        for (g, group) in groups.iter().enumerate() {
            sizes[group.picture].push(kept(group));
            own[group.picture].push(text.clone().narrow(0, g, 1).narrow(1, 0, kept(group)));
        }
        let layout = QueryLayout::new(sizes.clone());
        let width = layout.width();
        let refs = own.into_iter().enumerate().map(|(picture, mut parts)| {
            let rest = width - layout.row_count(picture);
            if rest > 0 {
                parts.push(Tensor::zeros([1, rest, dim], &device));
            }
            Tensor::cat(parts, 1)
        });
        let refs = Tensor::cat(refs.collect(), 0);

        let shares: Vec<f32> =
            groups.iter().map(|group| 1.0 / sizes[group.picture].len() as f32).collect();
        let shares = Tensor::<1>::from_floats(shares.as_slice(), &device);
        let bare: Vec<f32> =
            sizes.iter().map(|sizes| if sizes.is_empty() { 1.0 } else { 0.0 }).collect();
        let bare = Tensor::<1>::from_floats(bare.as_slice(), &device);
        let rows = rows * shares.reshape([groups.len(), 1, 1]);
        let map = (image * bare.reshape([pictures, 1, 1]))
            .select_assign(0, places, rows, IndexingUpdateOp::Add)
            .swap_dims(1, 2)
            .reshape([pictures, dim, h, w]);
        debug_assert_eq!(cells, h * w);
        AdapterOutput { refs, layout, map }
    }
}

/// The first `length` rows, zeros behind where there are fewer.
fn fit(rows: Tensor<2>, length: usize) -> Tensor<2> {
    let [count, dim] = rows.dims();
    if count >= length {
        return rows.narrow(0, 0, length);
    }
    let zeros = Tensor::zeros([length - count, dim], &rows.device());
    Tensor::cat(vec![rows, zeros], 0)
}

/// Sines in even channels, cosines of the same frequency in odd ones, base 10000.
///
/// # Shapes
/// returns `[length, dim]`
fn sinusoid(length: usize, dim: usize, device: &Device) -> Tensor<2> {
    let value = |i: usize| {
        let (at, channel) = (i / dim, i % dim);
        let angle = at as f64 / 10_000f64.powf((channel / 2 * 2) as f64 / dim as f64);
        if channel.is_multiple_of(2) { angle.sin() as f32 } else { angle.cos() as f32 }
    };
    let values: Vec<f32> = (0..length * dim).map(value).collect();
    Tensor::from_data(TensorData::new(values, [length, dim]), device)
}

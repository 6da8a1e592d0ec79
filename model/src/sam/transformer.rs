//! The two-way transformer of SAM: a few tokens and the cells of a map attend to each other.

use crate::layers::DetrAttention;
use crate::layers::{Activation, LayerNorm, Linear};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Two maps with an activation between them: keys `lin1`, `lin2`.
#[derive(Module, Debug)]
pub struct LinPair {
    /// Widens.
    pub lin1: Linear,
    /// Narrows.
    pub lin2: Linear,
    #[module(skip)]
    activation: Activation,
}

impl LinPair {
    /// Maps `dims[0] -> dims[1] -> dims[2]`.
    pub fn new(dims: [usize; 3], activation: Activation, device: &Device) -> Self {
        Self {
            lin1: Linear::new(dims[0], dims[1], true, device),
            lin2: Linear::new(dims[1], dims[2], true, device),
            activation,
        }
    }

    /// # Shapes
    /// `[..., dims[0]] -> [..., dims[2]]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.lin2.forward(self.activation.forward(self.lin1.forward(x)))
    }
}

/// Sizes of a two-way transformer.
#[derive(Debug, Clone, Copy)]
pub struct TwoWaySizes {
    /// Width; cross-attention works at half of it inside.
    pub dim: usize,
    /// Layers.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width inside the perceptron.
    pub mlp_dim: usize,
}

/// Tokens among themselves, tokens to image, perceptron, image to tokens; each added and
/// normalised.
#[derive(Module, Debug)]
pub struct TwoWayLayer {
    /// Between tokens, at full width.
    pub self_attn: DetrAttention,
    /// After it.
    pub norm1: LayerNorm,
    /// Tokens look at the image.
    pub cross_attn_token_to_image: DetrAttention,
    /// After it.
    pub norm2: LayerNorm,
    /// Of the tokens.
    pub mlp: LinPair,
    /// After it.
    pub norm3: LayerNorm,
    /// The image looks at the tokens.
    pub cross_attn_image_to_token: DetrAttention,
    /// After it, of the image.
    pub norm4: LayerNorm,
    #[module(skip)]
    first: bool,
}

/// See the module documentation.
#[derive(Module, Debug)]
pub struct TwoWayTransformer {
    /// First to last.
    pub layers: Vec<TwoWayLayer>,
    /// A last look of the tokens at the image.
    pub final_attn_token_to_image: DetrAttention,
    /// After it.
    pub norm_final_attn: LayerNorm,
}

/// Tokens and image rows between the layers, with what marks their places.
struct State {
    tokens: Tensor<3>,
    image: Tensor<3>,
}

impl TwoWayTransformer {
    /// A randomly initialised transformer.
    pub fn new(sizes: TwoWaySizes, device: &Device) -> Self {
        let TwoWaySizes { dim, depth, heads, mlp_dim } = sizes;
        let across = || DetrAttention::new(dim, dim / 2, heads, device);
        let norm = || LayerNorm::new(dim, 1e-5, device);
        let layer = |i| TwoWayLayer {
            self_attn: DetrAttention::new(dim, dim, heads, device),
            norm1: norm(),
            cross_attn_token_to_image: across(),
            norm2: norm(),
            mlp: LinPair::new([dim, mlp_dim, dim], Activation::Relu, device),
            norm3: norm(),
            cross_attn_image_to_token: across(),
            norm4: norm(),
            first: i == 0,
        };
        Self {
            layers: (0..depth).map(layer).collect(),
            final_attn_token_to_image: across(),
            norm_final_attn: norm(),
        }
    }

    /// The tokens as they come in are their own position code in every layer.
    ///
    /// # Shapes
    /// - `image` `[batch, cells, dim]`, `positions` of the cells broadcast to it
    /// - `tokens` `[batch, tokens, dim]`
    /// - returns the tokens and the image, processed
    pub fn forward(
        &self,
        image: Tensor<3>,
        positions: Tensor<3>,
        tokens: Tensor<3>,
    ) -> (Tensor<3>, Tensor<3>) {
        let places = tokens.clone();
        let mut state = State { tokens, image };
        for layer in &self.layers {
            state = layer.forward(state, &places, &positions);
        }
        let State { tokens, image } = state;
        let (at, keys) = (tokens.clone() + places, image.clone() + positions);
        let update = self.final_attn_token_to_image.forward(at, keys, image.clone(), None);
        (self.norm_final_attn.forward(tokens + update), image)
    }
}

impl TwoWayLayer {
    fn forward(&self, state: State, places: &Tensor<3>, positions: &Tensor<3>) -> State {
        let State { tokens, image } = state;
        // The first layer sees tokens that are nothing but their position code yet, so it adds
        // none, and its result replaces them.
        let tokens = if self.first {
            self.self_attn.forward(tokens.clone(), tokens.clone(), tokens, None)
        } else {
            let at = tokens.clone() + places.clone();
            tokens.clone() + self.self_attn.forward(at.clone(), at, tokens, None)
        };
        let tokens = self.norm1.forward(tokens);

        let (at, keys) = (tokens.clone() + places.clone(), image.clone() + positions.clone());
        let update = self.cross_attn_token_to_image.forward(at, keys.clone(), image.clone(), None);
        let tokens = self.norm2.forward(tokens + update);
        let tokens = self.norm3.forward(tokens.clone() + self.mlp.forward(tokens));

        let at = tokens.clone() + places.clone();
        let update = self.cross_attn_image_to_token.forward(keys, at, tokens.clone(), None);
        State { tokens, image: self.norm4.forward(image + update) }
    }
}

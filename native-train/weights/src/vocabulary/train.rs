//! An own byte-level vocabulary, for models that are trained from scratch.

use super::VocabularyError;
use refvlm_model::triplet::TRP_TOKENS;
use refvlm_model::triplet::template::fixed_pieces;
use refvlm_model::triplet::tokens::MAX_VOCABULARY;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::{ModelWrapper, TrainerWrapper};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{AddedToken, NormalizerWrapper, OffsetReferential, OffsetType, Tokenizer};

/// Targets of one triplet whose index is a single token.
const INDEX_TOKENS: usize = 16;

/// The fixed pieces of the text and the indices of targets. As tokens they cost one id each while
/// the text stays what it is, and they cut the text where the grammar does: a closing bracket, for
/// one, is never joined to the full stop behind it.
fn pieces() -> impl Iterator<Item = String> {
    fixed_pieces().into_iter().chain((0..INDEX_TOKENS).map(|k| format!("[{k}]")))
}

/// Trains a vocabulary of exactly `size` tokens, if the texts hold that many, and returns its
/// `tokenizer.json`. Digits stay single; a word includes the space before it. The same texts give
/// the same file.
///
/// # Errors
/// When `size` leaves no room behind the fixed tokens, or the texts cannot be used.
pub fn train<S>(
    texts: impl Iterator<Item = S> + Send,
    size: usize,
) -> Result<Vec<u8>, VocabularyError>
where
    S: AsRef<str> + Send,
{
    let special = ["<unk>", "<s>", "</s>"].into_iter().chain(TRP_TOKENS);
    let mut added: Vec<AddedToken> = special.map(|t| AddedToken::from(t, true)).collect();
    added.extend(pieces().map(|p| AddedToken::from(p, false).normalized(false)));
    let fixed = added.len() + 256;
    if !(fixed + 1..=MAX_VOCABULARY).contains(&size) {
        let problem = format!("size {size}; it must be {}..={MAX_VOCABULARY}", fixed + 1);
        return Err(VocabularyError::Train(problem));
    }

    let fail = |e: tokenizers::Error| VocabularyError::Train(e.to_string());
    let mut tokenizer = Tokenizer::new(ModelWrapper::BPE(BPE::default()));
    let split: Vec<PreTokenizerWrapper> =
        vec![Digits::new(true).into(), ByteLevel::new(false, false, true).into()];
    tokenizer.with_pre_tokenizer(Some(Sequence::new(split)));
    tokenizer.with_decoder(Some(ByteLevel::new(false, false, true)));
    // The trainer would count the fixed pieces as words and spend merges on them, so it is fed
    // what stands between them.
    let mut cutter = Tokenizer::new(ModelWrapper::BPE(BPE::default()));
    cutter.add_tokens(&added);
    let between = |text: S| -> Vec<String> {
        let no_normalizer = None::<&NormalizerWrapper>;
        let cut = cutter.get_added_vocabulary().extract_and_normalize(no_normalizer, text.as_ref());
        let splits = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
        splits.into_iter().filter(|s| s.2.is_none()).map(|s| s.0.to_string()).collect()
    };
    let mut trainer: TrainerWrapper = BpeTrainer::builder()
        .vocab_size(size)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(added)
        .build()
        .into();
    tokenizer.train(&mut trainer, texts.flat_map(between)).map_err(fail)?;
    Ok(tokenizer.to_string(false).map_err(fail)?.into_bytes())
}

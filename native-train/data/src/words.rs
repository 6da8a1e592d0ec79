//! Words for the classes of a classifier trained on ImageNet-1k.

use std::sync::LazyLock;

const TABLE: &str = include_str!("../words/imagenet.tsv");

/// How a class is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassWords {
    /// Its own plain name, such as `beagle`.
    pub name: &'static str,
    /// The noun that most people would use, such as `dog`.
    pub word: &'static str,
    /// What kind of thing it is, such as `animal`.
    pub kind: &'static str,
}

/// The 1000 classes, in the order of the classifier's scores.
pub fn imagenet() -> &'static [ClassWords] {
    static CLASSES: LazyLock<Vec<ClassWords>> = LazyLock::new(|| {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        let class = |line: &'static str| {
            let mut fields = line.split('\t').skip(1);
            Some(ClassWords { name: fields.next()?, word: fields.next()?, kind: fields.next()? })
        };
        lines.filter_map(class).collect()
    });
    &CLASSES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_words() {
        let classes = imagenet();
        assert_eq!(classes.len(), 1000);
        for class in classes {
            for word in [class.name, class.word, class.kind] {
                assert!(!word.is_empty() && word.trim() == word, "{class:?}");
            }
        }
        assert_eq!((classes[162].name, classes[162].word), ("beagle", "dog"));
        assert_eq!(classes[817].word, "car");
    }
}

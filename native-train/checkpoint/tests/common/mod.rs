//! What several tests make files of.

/// A file as PyTorch before 1.6 and Python 2 wrote it, from the pickle of its tensors, that of its
/// list of storages, and the storages.
pub fn legacy(pickle: &[u8], list: &[u8], storages: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let machine = b"\x80\x02M\xe9\x03.\x80\x02}U\x0dlittle_endian\x88s.";
    [magic, &machine[..], pickle, list, storages].concat()
}

/// The pickle of an `OrderedDict` with a view `w` of the last two of three numbers of a storage `8`,
/// as Python 2 wrote it before PyTorch 0.4.
pub const PICKLE: &[u8] = b"\x80\x02ccollections\nOrderedDict\n]]U\x01wa\
    ctorch._utils\n_rebuild_tensor\n((U\x07storagectorch\nFloatStorage\nU\x018U\x03cpuK\x03NtQ\
    K\x01K\x02\x85K\x01\x85tRaa\x85R.";
/// The list of that one storage.
pub const LIST: &[u8] = b"\x80\x02]U\x018a.";

/// The storage: its count and its numbers.
pub fn storage() -> Vec<u8> {
    let numbers = [1.0f32, 2.0, 3.0].map(f32::to_le_bytes).concat();
    [&[3, 0, 0, 0, 0, 0, 0, 0][..], &numbers].concat()
}

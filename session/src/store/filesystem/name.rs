//! [`Name`]: which file is a key's.

use sha2::{Digest, Sha256};

/// How many folders the records are spread over, and how many locks there are.
pub(super) const FOLDERS: u16 = 256;

/// A file that is made and removed, to see whether one can be.
pub(super) const PROBE: &str = "actix-typed-session.probe";

/// A key, and the name of its file: the SHA-256 of the key in lower-case hex, so that any key is a safe name.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) key: String,
    pub(super) file: String,
    /// The folder and the lock: the first byte of the hash.
    pub(super) folder: u8,
}

impl Name {
    pub(super) fn of(key: &str) -> Self {
        let hash = Sha256::digest(key.as_bytes());
        let file = hash.iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]).collect();
        Self { key: key.to_owned(), file, folder: hash.first().copied().unwrap_or_default() }
    }
}

/// What a folder is called.
pub(super) fn folder(number: u8) -> String {
    [hex(number >> 4), hex(number & 15)].into_iter().collect()
}

/// The name of a file in which the next content of the record `file` is written.
pub(super) fn temporary(file: &str) -> String {
    format!("{file}.{:016x}.tmp", rand::random::<u64>())
}

/// What a file in a folder of records is, by its name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Record,
    Temporary,
    Foreign,
}

impl Kind {
    pub(super) fn of(name: &str, number: u8) -> Self {
        let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let Some((file, rest)) = name.split_at_checked(64) else { return Self::Foreign };
        if !is_hex(file) || !file.starts_with(&folder(number)) {
            return Self::Foreign;
        }
        let random = rest.strip_prefix('.').and_then(|rest| rest.strip_suffix(".tmp"));
        match random {
            None if rest.is_empty() => Self::Record,
            Some(random) if random.len() == 16 && is_hex(random) => Self::Temporary,
            _ => Self::Foreign,
        }
    }
}

fn hex(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::{Kind, Name, temporary};

    #[test]
    fn a_name_is_the_hash_of_its_key() {
        let name = Name::of("abc");
        assert_eq!(name.file, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(name.folder, 0xba);
    }

    #[test]
    fn only_names_of_exactly_this_shape_are_ones_own() {
        let Name { file, folder, .. } = Name::of("abc");
        assert_eq!(Kind::of(&file, folder), Kind::Record);
        assert_eq!(Kind::of(&temporary(&file), folder), Kind::Temporary);
        let foreign = [
            (file.to_uppercase(), folder),
            (format!("{file}0"), folder),
            (format!("{file}.tmp"), folder),
            (temporary(&file).replace(".tmp", ".bak"), folder),
            (file.clone(), 0),
            (String::new(), folder),
            ("é".repeat(40), folder),
        ];
        for (name, folder) in foreign {
            assert_eq!(Kind::of(&name, folder), Kind::Foreign, "{name}");
        }
    }
}

//! The operations that take more than one command, and so are one script.

use std::sync::OnceLock;

/// Replaces a value whose first bytes are the expected version; otherwise hands out what is there.
///
/// It reads the version alone, as the bytes of a large record would all be copied into the interpreter.
pub(super) static UPDATE: Script = Script::new(
    "if redis.call('GETRANGE', KEYS[1], 0, 15) == ARGV[1] then \
     return redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end \
     return redis.call('GET', KEYS[1])",
);

/// Moves the expiry of the key and the one in the value, if that is ahead; 1 where there is a record.
///
/// A key without an expiry (-1) was made so by hand, and is left as it is.
pub(super) static TOUCH: Script = Script::new(
    "if redis.call('STRLEN', KEYS[1]) < 24 then return 0 end \
     local left = redis.call('PTTL', KEYS[1]) \
     if left >= 0 and left < tonumber(ARGV[1]) then \
     redis.call('SETRANGE', KEYS[1], 16, ARGV[2]) redis.call('PEXPIRE', KEYS[1], ARGV[1]) end \
     return 1",
);

/// A text and, from its first use on, the hash that a server knows it by.
pub(super) struct Script {
    text: &'static str,
    hash: OnceLock<String>,
}

impl Script {
    const fn new(text: &'static str) -> Self {
        Self { text, hash: OnceLock::new() }
    }

    pub(super) fn text(&self) -> &'static str {
        self.text
    }

    pub(super) fn hash(&self) -> &str {
        self.hash.get_or_init(|| redis::Script::new(self.text).get_hash().to_owned())
    }
}

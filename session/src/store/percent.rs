//! Percent-encoding, as URLs have it.

/// What the text stands for, if it is encoded right.
pub(super) fn decoded(text: &str) -> Option<String> {
    String::from_utf8(bytes(text)?).ok()
}

/// The same, of whatever bytes.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        bytes.push(match byte {
            b'%' => digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok())?,
            byte => byte,
        });
    }
    Some(bytes)
}

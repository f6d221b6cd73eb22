//! Base64 (RFC 4648, the standard alphabet; padding may be missing when reading): how text formats hold bytes.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const NO_DIGIT: u8 = 0xff;

const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut i = 0;
    while i < ALPHABET.len() {
        values[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    values
};

/// Appends the bytes that a text stands for; `false` where it is not base64 (`out` may then have some more bytes, for the caller to take back).
pub(crate) fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> bool {
    let digits = match text {
        [head @ .., b'=', b'='] | [head @ .., b'='] if text.len().is_multiple_of(4) => head,
        _ => text,
    };
    let (quads, rest) = digits.as_chunks::<4>();
    let mut bad = 0u8;
    out.reserve(digits.len() / 4 * 3 + 2);
    for quad in quads {
        let [a, b, c, d] = quad.map(|byte| VALUES[byte as usize]);
        bad |= (a | b | c | d) & 0xc0;
        let word = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
        out.extend_from_slice(&[(word >> 16) as u8, (word >> 8) as u8, word as u8]);
    }
    let mut word = 0u32;
    for &byte in rest {
        let value = VALUES[byte as usize];
        bad |= value & 0xc0;
        word = word << 6 | u32::from(value);
    }
    match rest.len() {
        0 => {}
        2 => out.push((word >> 4) as u8),
        3 => out.extend_from_slice(&[(word >> 10) as u8, (word >> 2) as u8]),
        _ => return false,
    }
    bad == 0
}

/// Appends the text of some bytes, padded.
pub(crate) fn encode_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let digit = |word: u32, shift: u32| ALPHABET[(word >> shift & 63) as usize];
    let (triples, rest) = bytes.as_chunks::<3>();
    for &[a, b, c] in triples {
        let word = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
        out.extend_from_slice(&[digit(word, 18), digit(word, 12), digit(word, 6), digit(word, 0)]);
    }
    match *rest {
        [a] => {
            let word = u32::from(a) << 16;
            out.extend_from_slice(&[digit(word, 18), digit(word, 12), b'=', b'=']);
        }
        [a, b] => {
            let word = u32::from(a) << 16 | u32::from(b) << 8;
            out.extend_from_slice(&[digit(word, 18), digit(word, 12), digit(word, 6), b'=']);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode_base64(text.as_bytes(), &mut out).then_some(out)
    }

    #[test]
    fn published_vectors() {
        for (plain, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy")]
        {
            let mut out = Vec::new();
            encode_base64(plain.as_bytes(), &mut out);
            assert_eq!(out, text.as_bytes());
            assert_eq!(decode(text).as_deref(), Some(plain.as_bytes()));
            assert_eq!(decode(text.trim_end_matches('=')).as_deref(), Some(plain.as_bytes()));
        }
        for bad in ["Z", "Zg=", "Z===", "Zm9v!", "Zm 9", "====", "Zm9vZ"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut text = Vec::new();
            encode_base64(&bytes, &mut text);
            let mut back = Vec::new();
            prop_assert!(decode_base64(&text, &mut back));
            prop_assert_eq!(back, bytes);
        }
    }
}

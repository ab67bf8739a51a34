//! Where an answer ends in the bytes that a server sent, and what it says.

use redis::{ErrorKind, RedisError, RedisResult, Value};

/// The largest string that is believed to come: what `proto-max-bulk-len` of a server is, unless it was told otherwise.
const MAX_STRING: usize = 512 * 1024 * 1024;
/// The most elements of a list; what is asked for here has a few.
const MAX_ELEMENTS: usize = 1 << 20;
/// The longest line, which is an error, a number or a length.
const MAX_LINE: usize = 64 * 1024;

/// The first answer in these bytes and its length; none while it is not whole.
pub(super) fn first(bytes: &[u8]) -> RedisResult<Option<(Value, usize)>> {
    if let Some(usual) = usual(bytes) {
        return Ok(Some(usual));
    }
    let Some(answer) = length(bytes)?.and_then(|length| bytes.get(..length)) else { return Ok(None) };
    Ok(Some((redis::parse_redis_value(answer)?, answer.len())))
}

/// The answers to what is asked most: a string, nothing, `OK` and a number. The client's parser is for all that
/// there is, and these need no more than a look.
fn usual(bytes: &[u8]) -> Option<(Value, usize)> {
    let (kind, rest) = bytes.split_first()?;
    let text = line(rest)?;
    let end = 1 + text.len() + 2;
    let value = match kind {
        b'$' if text == b"-1" => Value::Nil,
        b'$' => {
            let string = bytes.get(end..)?.get(..number(text)?)?;
            let end = end + string.len() + 2;
            return bytes.get(..end)?.ends_with(b"\r\n").then(|| (Value::BulkString(string.to_vec()), end));
        }
        b'+' if text == b"OK" => Value::Okay,
        b':' => Value::Int(std::str::from_utf8(text).ok()?.parse().ok()?),
        b'_' if text.is_empty() => Value::Nil,
        _ => return None,
    };
    Some((value, end))
}

/// How many bytes the first answer takes; none while it is not whole.
fn length(bytes: &[u8]) -> RedisResult<Option<usize>> {
    let mut at = 0;
    let mut missing: usize = 1;
    while missing > 0 {
        let Some((kind, rest)) = bytes.get(at..).and_then(<[u8]>::split_first) else { return Ok(None) };
        if !b"+-:_#,($!=*~>%|".contains(kind) {
            return Err(nonsense());
        }
        let Some(text) = line(rest) else {
            return if rest.len() > MAX_LINE { Err(nonsense()) } else { Ok(None) };
        };
        at += 1 + text.len() + 2;
        missing -= 1;
        // a length of -1 is RESP2's way to say that there is nothing
        let count = |most: usize| match text {
            b"-1" => Ok(None),
            _ => number(text).filter(|count| *count <= most).map(Some).ok_or_else(nonsense),
        };
        match kind {
            b'$' | b'!' | b'=' => at += count(MAX_STRING)?.map_or(0, |length| length + 2),
            b'*' | b'~' | b'>' => missing += count(MAX_ELEMENTS)?.unwrap_or(0),
            b'%' => missing += 2 * count(MAX_ELEMENTS)?.unwrap_or(0),
            // and then comes what these are attributes of
            b'|' => missing += 2 * count(MAX_ELEMENTS)?.unwrap_or(0) + 1,
            _ => {}
        }
        if missing > 2 * MAX_ELEMENTS {
            return Err(nonsense());
        }
    }
    Ok((at <= bytes.len()).then_some(at))
}

/// What comes before the end of the line.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().take(MAX_LINE).position(|byte| *byte == b'\r')?;
    bytes.get(end + 1).filter(|byte| **byte == b'\n')?;
    bytes.get(..end)
}

fn number(text: &[u8]) -> Option<usize> {
    let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|text| digits(text.as_bytes()))?.parse().ok()
}

fn nonsense() -> RedisError {
    RedisError::from((ErrorKind::Parse, "the answer is not RESP"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use proptest::prelude::*;
    use redis::PushKind;

    use super::*;

    /// One of each kind, as servers write them.
    const ANSWERS: &[&[u8]] = &[
        b"+OK\r\n",
        b"+PONG\r\n",
        b"-ERR unknown command\r\n",
        b":42\r\n",
        b":-1\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$7\r\na\r\nb\r\nc\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
        b"_\r\n",
        b"#t\r\n",
        b",1.5\r\n",
        b"(12345678901234567890\r\n",
        b"!5\r\nERR x\r\n",
        b"=5\r\ntxt:a\r\n",
        b"~1\r\n+a\r\n",
        b"%1\r\n+a\r\n:1\r\n",
        b">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n",
        b"|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n",
    ];

    #[test]
    fn an_answer_is_what_the_clients_own_parser_says() {
        for answer in ANSWERS {
            let text = String::from_utf8_lossy(answer);
            let (value, length) = first(answer).unwrap().unwrap();
            assert_eq!((Ok(value), length), (redis::parse_redis_value(answer), answer.len()), "{text}");
        }
    }

    #[test]
    fn an_answer_is_waited_for_until_it_is_whole() {
        for answer in ANSWERS {
            for end in 0..answer.len() {
                assert_eq!(first(&answer[..end]).unwrap(), None, "{:?}", String::from_utf8_lossy(&answer[..end]));
            }
        }
    }

    #[test]
    fn one_answer_is_taken_after_the_other() {
        let mut all = ANSWERS.concat();
        for answer in ANSWERS {
            let (_, length) = first(&all).unwrap().unwrap();
            assert_eq!(all.drain(..length).collect::<Vec<_>>(), *answer);
        }
    }

    #[test]
    fn a_push_is_told_from_an_answer() {
        let (value, _) = first(b">2\r\n+invalidate\r\n_\r\n").unwrap().unwrap();
        assert!(matches!(value, Value::Push { kind: PushKind::Invalidate, .. }));
    }

    #[test]
    fn what_no_server_says_is_an_error_at_once() {
        for nonsense in [
            "HTTP/1.1 400 Bad Request\r\n",
            "$x\r\n",
            "$-2\r\n",
            "$+1\r\na\r\n",
            "$536870913\r\n",
            "$99999999999999999999999\r\n",
            "*1048577\r\n",
            "%1048577\r\n",
            "$1\r\nab\r\n",
        ] {
            let error = first(nonsense.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Parse, "{nonsense}");
        }
        assert!(first(&[b"+".as_slice(), &[b'a'; MAX_LINE + 1]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_at_all_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = first(&bytes);
        }

        #[test]
        fn bytes_that_look_like_answers_are_read_without_a_panic(
            text in "([-+:$*%>|!=~_#,(][-0-9]{0,3}\r\n|[a-z]{0,3}\r\n|\r|\n){0,12}"
        ) {
            if let Ok(Some((_, length))) = first(text.as_bytes()) {
                prop_assert!(length <= text.len());
            }
        }

        #[test]
        fn any_string_comes_back(string: Vec<u8>) {
            let mut answer = format!("${}\r\n", string.len()).into_bytes();
            answer.extend_from_slice(&string);
            answer.extend_from_slice(b"\r\n");
            let length = answer.len();
            prop_assert_eq!(first(&answer).unwrap(), Some((Value::BulkString(string), length)));
        }
    }
}

//! [`Pipe`]: a connection down which calls send their commands, one behind the other.

use std::{
    collections::VecDeque,
    future::Future,
    io, mem,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, BytesMut};
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    sync::oneshot,
    time::{Instant, Sleep, sleep_until},
};

use super::{failure::Failure, wire};

/// How much may wait to be sent, so that a server that does not read can't fill the memory. One command always may.
const MAX_UNSENT: usize = 32 * 1024 * 1024;
/// What is read at a time.
const READ: usize = 16 * 1024;
/// A buffer that a large record made larger than this is given back.
const KEPT: usize = 256 * 1024;

/// The end of a connection where commands go in. Their answers come in the same order.
///
/// It does what `redis::aio::MultiplexedConnection` does, for a third to a half less of the processor (`benches/run
/// stores`): a command is packed straight into
/// what is sent next, an answer goes straight to who waits for it, and all calls share one timer.
pub(super) struct Pipe {
    inner: Mutex<Inner>,
    is_silent: AtomicBool,
}

/// What comes of a command.
pub(super) type Answer = oneshot::Receiver<Result<Value, Failure>>;

#[derive(Default)]
struct Inner {
    /// The commands that are still to be sent.
    unsent: Vec<u8>,
    /// Who waits for an answer, in the order of the commands.
    waiting: VecDeque<Waiting>,
    /// No later than the earliest of their deadlines; none if nobody waits.
    due: Option<Instant>,
    /// The driver, while it rests.
    resting: Option<Waker>,
    /// Why there will be no more answers.
    lost: Option<RedisError>,
}

impl Inner {
    /// Whether there is nothing to do for a driver whose timer is set to `due`, and who can't send if it is `blocked`.
    ///
    /// A call that came from another thread since the timer was set found no one resting to wake, and may end earlier.
    fn lets_rest(&self, blocked: bool, due: Option<Instant>) -> bool {
        (blocked || self.unsent.is_empty()) && self.due == due
    }
}

struct Waiting {
    /// None for who was told that it takes too long; the answer may come all the same.
    answer: Option<oneshot::Sender<Result<Value, Failure>>>,
    deadline: Instant,
}

impl Pipe {
    /// A pipe over a stream. Nothing goes through it unless the [`Driver`] is polled, which takes the server's pushes too.
    pub(super) fn over<S, P>(stream: S, pushed: P) -> (Arc<Self>, Driver<S, P>) {
        let pipe = Arc::new(Self { inner: Mutex::default(), is_silent: AtomicBool::new(false) });
        let driver = Driver {
            pipe: Arc::clone(&pipe),
            stream,
            pushed,
            sending: Vec::new(),
            sent: 0,
            is_flushed: true,
            received: BytesMut::new(),
            timer: None,
        };
        (pipe, driver)
    }

    /// Sends a command. Whoever is not answered by the deadline is told so; whoever does not wait misses nothing but the
    /// answer.
    ///
    /// # Errors
    ///
    /// The connection is lost, or too much waits to be sent. The command was not sent then, and won't be.
    pub(super) fn send(&self, command: &Cmd, deadline: Instant) -> RedisResult<Answer> {
        let (answer, receiver) = oneshot::channel();
        let mut inner = self.inner();
        if let Some(lost) = &inner.lost {
            return Err(lost.clone());
        }
        if inner.unsent.len() > MAX_UNSENT {
            return Err(RedisError::from((ErrorKind::Client, "the server does not read what is sent to it")));
        }
        command.write_packed_command(&mut inner.unsent);
        inner.waiting.push_back(Waiting { answer: Some(answer), deadline });
        inner.due = Some(inner.due.map_or(deadline, |due| due.min(deadline)));
        let driver = inner.resting.take();
        drop(inner);
        driver.into_iter().for_each(Waker::wake);
        Ok(receiver)
    }

    /// Whether a command got no answer in its time, though nobody waited for it that long.
    pub(super) fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::Relaxed)
    }

    /// Hands an answer to who has waited longest.
    fn answer(&self, value: Value) -> RedisResult<()> {
        let Some(waiting) = self.inner().waiting.pop_front() else {
            return Err(RedisError::from((ErrorKind::Parse, "there is an answer to nothing")));
        };
        // who does not wait any more misses nothing
        _ = waiting.answer.map(|answer| answer.send(Ok(value)));
        Ok(())
    }

    /// Tells those who waited too long. Of one who has gone before, nobody else notes that no answer came.
    fn expire(&self, now: Instant) {
        let mut inner = self.inner();
        let expired = inner.waiting.iter_mut().filter(|waiting| waiting.deadline <= now);
        for answer in expired.filter_map(|waiting| waiting.answer.take()) {
            if answer.send(Err(Failure::TimedOut)).is_err() {
                self.is_silent.store(true, Ordering::Relaxed);
            }
        }
        inner.due = inner.waiting.iter().filter(|waiting| waiting.answer.is_some()).map(|each| each.deadline).min();
    }

    /// Tells all who wait that nothing more comes, and those who come why.
    fn close(&self, error: &RedisError) {
        let mut inner = self.inner();
        inner.lost.get_or_insert_with(|| error.clone());
        inner.unsent = Vec::new();
        inner.due = None;
        let waiting = mem::take(&mut inner.waiting);
        drop(inner);
        for answer in waiting.into_iter().filter_map(|waiting| waiting.answer) {
            _ = answer.send(Err(error.clone().into()));
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What moves the bytes, until the connection is lost.
pub(super) struct Driver<S, P> {
    pipe: Arc<Pipe>,
    stream: S,
    /// Takes what the server says unasked.
    pushed: P,
    sending: Vec<u8>,
    /// How much of it is sent.
    sent: usize,
    is_flushed: bool,
    received: BytesMut,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin, P: FnMut(Value) + Unpin> Future for Driver<S, P> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let error = loop {
            let blocked = match this.write(cx) {
                Poll::Ready(Ok(())) => false,
                Poll::Ready(Err(error)) => break error,
                Poll::Pending => true,
            };
            if let Poll::Ready(Err(error)) = this.read(cx) {
                break error;
            }
            let due = this.time(cx);
            let mut inner = this.pipe.inner();
            if inner.lets_rest(blocked, due) {
                inner.resting = Some(cx.waker().clone());
                return Poll::Pending;
            }
        };
        this.pipe.close(&error);
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, P: FnMut(Value)> Driver<S, P> {
    /// Sends all that is to be sent.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<RedisResult<()>> {
        loop {
            while let Some(rest) = self.sending.get(self.sent..).filter(|rest| !rest.is_empty()) {
                match ready!(Pin::new(&mut self.stream).poll_write(cx, rest)) {
                    Ok(0) => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
                    Ok(length) => self.sent += length,
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
                self.is_flushed = false;
            }
            self.sent = 0;
            self.sending.clear();
            if self.sending.capacity() > KEPT {
                self.sending = Vec::new();
            }
            mem::swap(&mut self.sending, &mut self.pipe.inner().unsent);
            if self.sending.is_empty() {
                break;
            }
        }
        if !self.is_flushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes all that has come; pending, or the end.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<RedisResult<()>> {
        loop {
            if self.received.capacity() > KEPT && self.received.is_empty() {
                self.received = BytesMut::new();
            }
            self.received.reserve(READ);
            if ready!(pin!(self.stream.read_buf(&mut self.received)).poll(cx))? == 0 {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
            }
            while let Some((value, length)) = wire::first(&self.received)? {
                self.received.advance(length);
                match value {
                    Value::Push { .. } => (self.pushed)(value),
                    value => self.pipe.answer(value)?,
                }
            }
        }
    }

    /// Waits for the earliest deadline, and says which that is.
    fn time(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        loop {
            let due = self.pipe.inner().due?;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Some(due);
            }
            self.pipe.expire(due);
        }
    }
}

impl<S, P> Drop for Driver<S, P> {
    fn drop(&mut self) {
        self.pipe.close(&io::Error::from(io::ErrorKind::BrokenPipe).into());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use tokio::{
        io::{AsyncWriteExt, DuplexStream, duplex},
        task::JoinHandle,
    };

    use super::*;

    type Pushes = Arc<Mutex<Vec<Value>>>;

    /// A pipe to a server that the test is, with room for so many bytes between them.
    fn pipe(room: usize) -> (Arc<Pipe>, DuplexStream, JoinHandle<()>, Pushes) {
        let (ours, server) = duplex(room);
        let pushes = Pushes::default();
        let taken = Arc::clone(&pushes);
        let (pipe, driver) = Pipe::over(ours, move |push| taken.lock().unwrap().push(push));
        (pipe, server, tokio::spawn(driver), pushes)
    }

    fn get(key: &str) -> Cmd {
        redis::cmd("GET").arg(key).take()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(2)
    }

    /// What the server reads, of which this is to be the beginning.
    async fn reads(server: &mut DuplexStream, commands: &[Cmd]) {
        let expected = commands.iter().map(Cmd::get_packed_command).collect::<Vec<_>>().concat();
        let mut read = vec![0; expected.len()];
        server.read_exact(&mut read).await.unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), String::from_utf8(expected).unwrap());
    }

    fn string(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    /// What came of a call: the answer, or the word for why there is none.
    async fn outcome(answer: Answer) -> Result<Value, &'static str> {
        answer.await.unwrap().map_err(|failure| match failure {
            Failure::TimedOut => "timed out",
            _ => "lost",
        })
    }

    #[tokio::test]
    async fn answers_come_in_the_order_of_the_commands() {
        let (pipe, mut server, ..) = pipe(64);
        let keys: Vec<_> = (0..20).map(|key| key.to_string()).collect();
        let answers: Vec<_> = keys.iter().map(|key| pipe.send(&get(key), soon()).unwrap()).collect();
        for key in &keys {
            reads(&mut server, &[get(key)]).await;
            server.write_all(format!("${}\r\n{key}\r\n", key.len()).as_bytes()).await.unwrap();
        }
        for (key, answer) in keys.iter().zip(answers) {
            assert_eq!(outcome(answer).await, Ok(string(key)));
        }
    }

    #[tokio::test]
    async fn an_answer_may_come_in_any_pieces() {
        let (pipe, mut server, ..) = pipe(1024);
        let (one, two) = (pipe.send(&get("a"), soon()).unwrap(), pipe.send(&get("b"), soon()).unwrap());
        for byte in b"$3\r\none\r\n-ERR no\r\n" {
            server.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(outcome(one).await, Ok(string("one")));
        assert!(matches!(outcome(two).await, Ok(Value::ServerError(_))));
    }

    #[tokio::test]
    async fn an_answer_that_nobody_waits_for_is_nobody_elses() {
        let (pipe, mut server, ..) = pipe(1024);
        drop(pipe.send(&get("a"), soon()).unwrap());
        let second = pipe.send(&get("b"), soon()).unwrap();
        server.write_all(b"$1\r\na\r\n$1\r\nb\r\n").await.unwrap();
        assert_eq!(outcome(second).await, Ok(string("b")));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_and_a_late_answer_is_nobody_elses() {
        let (pipe, mut server, ..) = pipe(1024);
        let began = Instant::now();
        let first = pipe.send(&get("a"), soon()).unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let second = pipe.send(&get("b"), soon()).unwrap();
        assert_eq!(outcome(first).await, Err("timed out"));
        assert_eq!(began.elapsed().as_millis() / 10, 200);
        server.write_all(b"$1\r\na\r\n$1\r\nb\r\n").await.unwrap();
        assert_eq!(outcome(second).await, Ok(string("b")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_without_an_answer_shows_though_everybody_gave_up_before() {
        let (pipe, mut server, ..) = pipe(1024);
        drop(pipe.send(&get("a"), soon()).unwrap());
        server.write_all(b"$1\r\na\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(!pipe.is_silent(), "it was answered");
        drop(pipe.send(&get("b"), soon()).unwrap());
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(pipe.is_silent());
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_deadline_is_kept_whoever_came_first() {
        let (pipe, _server, ..) = pipe(1024);
        let began = Instant::now();
        let patient = pipe.send(&get("a"), soon()).unwrap();
        let hasty = pipe.send(&get("b"), began + Duration::from_millis(100)).unwrap();
        assert_eq!(outcome(hasty).await, Err("timed out"));
        assert_eq!(began.elapsed().as_millis() / 10, 10);
        assert_eq!(outcome(patient).await, Err("timed out"));
        assert_eq!(began.elapsed().as_millis() / 10, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn the_driver_does_not_rest_over_a_deadline_that_came_since_its_timer_was_set() {
        let (pipe, _server, ..) = pipe(1);
        let (early, late) = (soon(), soon() + Duration::from_secs(1));
        let lets_rest = |blocked, due| pipe.inner().lets_rest(blocked, due);
        assert!(lets_rest(false, None));
        // the driver has not run since
        let _late = pipe.send(&get("a"), late).unwrap();
        assert!(!lets_rest(true, None));
        assert!(!lets_rest(false, Some(late)), "there is something to send");
        assert!(lets_rest(true, Some(late)));
        let _early = pipe.send(&get("b"), early).unwrap();
        assert!(!lets_rest(true, Some(late)));
        assert!(lets_rest(true, Some(early)));
    }

    #[tokio::test(start_paused = true)]
    async fn time_runs_anew_for_who_comes_after_a_rest() {
        let (pipe, mut server, ..) = pipe(1024);
        for _ in 0..3 {
            let answered = pipe.send(&get("a"), soon()).unwrap();
            server.write_all(b"_\r\n").await.unwrap();
            assert_eq!(outcome(answered).await, Ok(Value::Nil));
            tokio::time::sleep(Duration::from_secs(10)).await;
            let (began, waits) = (Instant::now(), pipe.send(&get("a"), soon()).unwrap());
            assert_eq!(outcome(waits).await, Err("timed out"));
            assert_eq!(began.elapsed().as_millis() / 10, 200);
            server.write_all(b"_\r\n").await.unwrap();
        }
    }

    #[tokio::test]
    async fn when_the_server_closes_all_who_wait_are_told_and_nothing_more_is_sent() {
        let (pipe, server, driver, _) = pipe(1024);
        let waits = pipe.send(&get("a"), soon()).unwrap();
        drop(server);
        assert_eq!(outcome(waits).await, Err("lost"));
        driver.await.unwrap();
        assert!(pipe.send(&get("a"), soon()).is_err());
    }

    #[tokio::test]
    async fn when_the_driver_is_gone_all_who_wait_are_told() {
        let (pipe, _server, driver, _) = pipe(1024);
        let waits = pipe.send(&get("a"), soon()).unwrap();
        driver.abort();
        assert_eq!(outcome(waits).await, Err("lost"));
        assert!(pipe.send(&get("a"), soon()).is_err());
    }

    #[tokio::test]
    async fn an_answer_to_nothing_or_one_that_makes_no_sense_ends_it() {
        for said in ["+OK\r\n+OK\r\n", "+OK\r\nHTTP/1.1 400 Bad Request\r\n"] {
            let (pipe, mut server, driver, _) = pipe(1024);
            let waits = pipe.send(&get("a"), soon()).unwrap();
            server.write_all(said.as_bytes()).await.unwrap();
            assert_eq!(outcome(waits).await, Ok(Value::Okay), "{said}");
            driver.await.unwrap();
            assert_eq!(pipe.send(&get("a"), soon()).unwrap_err().kind(), ErrorKind::Parse, "{said}");
        }
    }

    #[tokio::test]
    async fn a_push_answers_nobody() {
        let (pipe, mut server, _driver, pushes) = pipe(1024);
        let waits = pipe.send(&get("a"), soon()).unwrap();
        server.write_all(b">2\r\n+invalidate\r\n*1\r\n$1\r\na\r\n$1\r\na\r\n").await.unwrap();
        assert_eq!(outcome(waits).await, Ok(string("a")));
        assert_eq!(pushes.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_read_does_not_fill_the_memory() {
        let (pipe, mut server, ..) = pipe(1 << 20);
        let large = redis::cmd("SET").arg("k").arg(vec![0_u8; MAX_UNSENT / 2]).take();
        let mut sent = Vec::new();
        while let Ok(answer) = pipe.send(&large, soon()) {
            sent.push(answer);
            tokio::task::yield_now().await;
            assert!(sent.len() < 10);
        }
        // once it reads, all goes on
        for answer in sent {
            reads(&mut server, std::slice::from_ref(&large)).await;
            server.write_all(b"+OK\r\n").await.unwrap();
            assert_eq!(outcome(answer).await, Ok(Value::Okay));
        }
        assert!(pipe.send(&get("a"), soon()).is_ok());
    }

    #[tokio::test]
    async fn a_large_answer_comes_whole_and_its_room_is_given_back() {
        let (pipe, mut server, ..) = pipe(4096);
        let text = "a".repeat(4 * KEPT);
        let answer = pipe.send(&get("a"), soon()).unwrap();
        server.write_all(format!("${}\r\n{text}\r\n", text.len()).as_bytes()).await.unwrap();
        assert_eq!(outcome(answer).await, Ok(string(&text)));
    }
}

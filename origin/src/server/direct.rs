//! A TCP socket that has the kernel send what lies in memory files, and writes everything else as it comes.

use std::{
    fs::File,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustix::{
    fs::sendfile,
    net::{SendFlags, send},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use crate::{limits::MEMORY_FILE_BYTES, memory};

/// Of less than this a copy costs less than another call of the kernel.
const PAYS_BYTES_MIN: usize = 16 << 10;

/// The socket.
pub(super) struct Direct(TcpStream);

/// A write whose last part lies in a memory file.
struct Sending<'a> {
    /// What comes before, if anything does.
    head: &'a [u8],
    file: Arc<File>,
    offset: u64,
    bytes: usize,
}

// === impl Direct ===

impl Direct {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(stream)
    }
}

// === impl Sending ===

impl<'a> Sending<'a> {
    /// hyper offers the head of an answer and its body, or the rest of a body.
    fn of(slices: &'a [IoSlice<'a>]) -> Option<Self> {
        let (head, body): (&[u8], &[u8]) = match slices {
            [body, ..] if Self::pays(body) => (&[], body),
            [head, body, ..] if Self::pays(body) => (head, body),
            _ => return None,
        };
        let (file, offset) = memory::find(body)?;
        Some(Self { head, file, offset, bytes: body.len() })
    }

    /// Whether a body of this size can lie in a memory file, or be the rest of one.
    fn pays(body: &[u8]) -> bool {
        body.len() <= *MEMORY_FILE_BYTES.end() && body.len() >= PAYS_BYTES_MIN
    }

    /// Sends as much as the socket takes now; gives how much that was.
    fn send(&self, socket: &TcpStream) -> io::Result<usize> {
        let sent = match self.head {
            [] => 0,
            // The body follows, so that both can share a packet.
            head => send(socket, head, SendFlags::MORE | SendFlags::NOSIGNAL)?,
        };
        if sent < self.head.len() {
            return Ok(sent);
        }
        let mut offset = self.offset;
        match sendfile(socket, &self.file, Some(&mut offset), self.bytes) {
            Ok(bytes) => Ok(sent + bytes),
            // The head is on its way; the next write tells of the error.
            Err(_) if sent > 0 => Ok(sent),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsyncRead for Direct {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Direct {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(sending) = Sending::of(slices) else { return Pin::new(&mut self.0).poll_write_vectored(cx, slices) };
        let socket = &self.0;
        loop {
            ready!(socket.poll_write_ready(cx))?;
            match socket.try_io(Interest::WRITABLE, || sending.send(socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use bytes::Bytes;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    async fn pair() -> (Direct, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Direct::new(near), listener.accept().await.unwrap().0)
    }

    /// Writes all slices as hyper does: each time what is left of them.
    async fn write_all(direct: &mut Direct, slices: [&[u8]; 2]) -> io::Result<()> {
        let total = slices.iter().map(|slice| slice.len()).sum();
        let mut done = 0;
        while done < total {
            let [head, body] = slices;
            let left = match head.get(done..) {
                Some(head) if !head.is_empty() => vec![IoSlice::new(head), IoSlice::new(body)],
                _ => vec![IoSlice::new(body.get(done - head.len()..).unwrap_or_default())],
            };
            done += direct.write_vectored(&left).await?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn heads_and_bodies_arrive_whole_and_in_order() {
        let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| u8::try_from(n % 253).unwrap()).collect();
        for held in [true, false] {
            let body = Bytes::from(bytes.clone());
            let body = if held { memory::hold(body) } else { body };
            assert_eq!(memory::find(&body).is_some(), held);
            let (mut direct, mut far) = pair().await;
            let reading = tokio::spawn(async move {
                let mut all = Vec::new();
                far.read_to_end(&mut all).await.map(|_| all)
            });
            for _ in 0..3 {
                write_all(&mut direct, [b"head", &body]).await.unwrap();
            }
            direct.shutdown().await.unwrap();
            let all = reading.await.unwrap().unwrap();
            assert!(all == [b"head", &bytes[..]].concat().repeat(3), "{held}");
        }
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_is_an_error() {
        let body = memory::hold(Bytes::from(vec![7; 1 << 20]));
        let (mut direct, far) = pair().await;
        drop(far);
        let error = loop {
            if let Err(error) = write_all(&mut direct, [b"head", &body]).await {
                break error;
            }
        };
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    }
}

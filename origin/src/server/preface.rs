//! Which protocol a plaintext connection speaks, told by its first bytes.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// How a client begins HTTP/2 that knows beforehand that it is spoken here (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client wants to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// A stream of which some bytes were read and are given again.
#[derive(Debug)]
pub(super) struct Rewound<S> {
    read: Bytes,
    stream: S,
}

/// Reads until the protocol is certain. Waits for as long as the client likes: the caller bounds it.
pub(super) async fn sniff<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(Protocol, Rewound<S>)> {
    let mut read = BytesMut::with_capacity(PREFACE.len());
    while read.len() < PREFACE.len() && PREFACE.starts_with(&read) {
        let missing = PREFACE.len() - read.len();
        if stream.read_buf(&mut (&mut read).limit(missing)).await? == 0 {
            break;
        }
    }
    let protocol = if read == PREFACE { Protocol::Http2 } else { Protocol::Http1 };
    Ok((protocol, Rewound { read: read.freeze(), stream }))
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let given = self.read.len().min(buffer.remaining());
        buffer.put(self.read.split_to(given));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn the_first_bytes_decide_and_are_not_lost() {
        let whole = [PREFACE, b"\0\0\0\x04"].concat();
        let cases: [(&[u8], Protocol); 6] = [
            (&whole, Protocol::Http2),
            (b"GET / HTTP/1.1\r\n\r\n", Protocol::Http1),
            (b"PROPFIND / HTTP/1.1\r\n\r\n", Protocol::Http1),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx", Protocol::Http1),
            (b"PRI", Protocol::Http1),
            (b"", Protocol::Http1),
        ];
        for (sent, expected) in cases {
            for pieces in [1, 7, 100] {
                let (near, mut far) = duplex(64);
                let sending = sent.chunks(pieces).map(<[u8]>::to_vec).collect::<Vec<_>>();
                let writing = tokio::spawn(async move {
                    for piece in sending {
                        far.write_all(&piece).await.unwrap();
                    }
                });
                let (protocol, mut rewound) = sniff(near).await.unwrap();
                assert_eq!(protocol, expected, "{sent:?}");
                let mut read = Vec::new();
                rewound.read_to_end(&mut read).await.unwrap();
                assert_eq!(read, sent);
                writing.await.unwrap();
            }
        }
    }
}

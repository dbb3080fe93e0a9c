//! What a child may ask for at once: the last that is allowed is served, one more ends the service.

use super::*;

/// Opens outputs and answers no read.
#[derive(Clone)]
struct Deaf;

impl Backend for Deaf {
    type Writer = ();

    async fn read(&self, _: Input, _: u64, _: u32) -> Result<Bytes, Refusal> {
        std::future::pending().await
    }

    async fn size(&self, _: Input) -> Result<Option<u64>, Refusal> {
        std::future::pending().await
    }

    async fn open(&self, _: Output) -> Result<(), Refusal> {
        Ok(())
    }

    async fn write(&self, (): &mut (), _: Bytes) -> Result<(), Refusal> {
        Ok(())
    }

    async fn finish(&self, (): ()) -> Result<u64, Refusal> {
        Ok(0)
    }

    async fn discard(&self, (): ()) {}

    async fn publish(&self, _: Part) -> Result<(), Refusal> {
        Ok(())
    }

    fn progress(&self, _: Progress) {}

    fn log(&self, _: Level, _: &str) {}
}

/// Whether a child that asks for all this at once, and then reports, is served to its end.
async fn is_served(asks: impl Iterator<Item = Ask>) -> bool {
    let mut bytes = Vec::new();
    for (id, ask) in (1..).zip(asks) {
        frame::write(&mut bytes, &ToWorker::Request { id, ask }, &[]).unwrap();
    }
    let done = ToWorker::Done(Err(Failure::retryable("code", "title", "detail")));
    frame::write(&mut bytes, &done, &[]).unwrap();
    match serve(bytes.as_slice(), tokio::io::sink(), Deaf, Arc::default()).await {
        Ok(_) => true,
        Err(Error::Violation(_)) => false,
        Err(Error::Gone) => panic!("the report was not read"),
    }
}

fn read(bytes: u32) -> Ask {
    Ask::Read { object: Input::Source, offset: 0, bytes }
}

#[tokio::test]
async fn so_many_requests_may_be_open_and_not_one_more() {
    for (count, served) in [(REQUESTS_OPEN_MAX, true), (REQUESTS_OPEN_MAX + 1, false)] {
        assert_eq!(is_served((0..count).map(|_| read(1))).await, served, "{count}");
        assert_eq!(is_served((0..count).map(|_| Ask::Size { object: Input::Source })).await, served, "{count}");
    }
}

#[tokio::test]
async fn so_many_outputs_may_be_open_and_not_one_more() {
    let open = |n: usize| Ask::Open { id: OutputId(u32::try_from(n).unwrap()), output: Output::Sheet { n: n as u64 } };
    for (count, served) in [(OUTPUTS_OPEN_MAX, true), (OUTPUTS_OPEN_MAX + 1, false)] {
        assert_eq!(is_served((0..count).map(open)).await, served, "{count}");
    }
    // One that is finished makes room.
    let finished = Ask::Finish { id: OutputId(0) };
    let asks = (0..OUTPUTS_OPEN_MAX).map(open).chain([finished]).chain([open(OUTPUTS_OPEN_MAX)]);
    assert!(is_served(asks).await);
}

#[tokio::test]
async fn a_read_may_be_as_long_as_a_payload_and_not_longer() {
    for (bytes, served) in [(PAYLOAD_BYTES_MAX, true), (PAYLOAD_BYTES_MAX + 1, false)] {
        assert_eq!(is_served([read(bytes)].into_iter()).await, served, "{bytes}");
    }
}

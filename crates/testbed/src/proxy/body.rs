//! Bodies on their way through: counted, and cut short where a fault says so.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::{Fault, Shared};

/// How long a cut waits before it closes, so that what was passed before it has left.
const FLUSH: Duration = Duration::from_millis(10);

type Passed = Poll<Option<io::Result<Frame<Bytes>>>>;

/// Counts a request as under way while it lives.
pub(crate) struct InFlight(pub(crate) Arc<Shared>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.count(|c| c.in_flight -= 1);
    }
}

/// The body of a request, counted.
pub(crate) struct Up {
    inner: Incoming,
    shared: Arc<Shared>,
}

impl Up {
    pub(crate) fn new(inner: Incoming, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

impl Body for Up {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Passed {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(context));
        let length = length(&frame);
        this.shared.count(|c| c.bytes_up += length);
        Poll::Ready(frame.map(|f| f.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of an answer, counted; its request is under way until it ends.
pub(crate) struct Down {
    inner: Incoming,
    cut: Option<Cut>,
    /// Whether its length is not told.
    is_unsized: bool,
    in_flight: InFlight,
}

/// How a body ends before its end.
struct Cut {
    fault: Fault,
    /// Bytes still to be passed; where the length is unknown, half of the first frame.
    left: Option<u64>,
    hold: Duration,
    ending: Option<Pin<Box<Sleep>>>,
}

impl Down {
    pub(crate) fn whole(inner: Incoming, in_flight: InFlight, is_unsized: bool) -> Self {
        Self { inner, cut: None, is_unsized, in_flight }
    }

    /// Half of the body. A stall is held for `stall_for`.
    pub(crate) fn half(inner: Incoming, in_flight: InFlight, fault: Fault, stall_for: Duration) -> Self {
        let left = inner.size_hint().exact().map(|length| length / 2);
        let hold = if fault == Fault::StallBody { stall_for } else { FLUSH };
        Self { inner, cut: Some(Cut { fault, left, hold, ending: None }), is_unsized: false, in_flight }
    }
}

impl Cut {
    /// The early end: clean where it lies, else an error after a while, which closes the connection.
    fn end(&mut self, context: &mut Context<'_>) -> Passed {
        if self.fault == Fault::TruncateLying {
            return Poll::Ready(None);
        }
        let ending = self.ending.get_or_insert_with(|| Box::pin(sleep(self.hold)));
        ending.as_mut().poll(context).map(|()| Some(Err(io::Error::other("cut by the proxy"))))
    }

    fn shorten(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        let Ok(mut data) = frame.into_data() else { return Frame::data(Bytes::new()) };
        let left = self.left.unwrap_or(data.len() as u64 / 2);
        data.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        self.left = Some(left - data.len() as u64);
        Frame::data(data)
    }
}

impl Body for Down {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Passed {
        let this = self.get_mut();
        if let Some(cut) = this.cut.as_mut().filter(|c| c.left == Some(0)) {
            return cut.end(context);
        }
        let mut frame = ready!(Pin::new(&mut this.inner).poll_frame(context));
        if let Some(cut) = &mut this.cut {
            frame = frame.map(|f| f.map(|f| cut.shorten(f)));
        }
        let length = length(&frame);
        this.in_flight.0.count(|c| c.bytes_down += length);
        Poll::Ready(frame.map(|f| f.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.cut.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.cut {
            Some(cut) if cut.fault == Fault::TruncateLying => SizeHint::default(),
            None if self.is_unsized => SizeHint::default(),
            _ => self.inner.size_hint(),
        }
    }
}

fn length<E>(frame: &Option<Result<Frame<Bytes>, E>>) -> u64 {
    let data = frame.as_ref().and_then(|f| f.as_ref().ok()).and_then(Frame::data_ref);
    data.map_or(0, |d| d.len() as u64)
}

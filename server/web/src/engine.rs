//! Calls to the engine from asynchronous handlers: a pool of blocking connections.
//!
//! It asserts nobody: each call carries what the browser showed, the engine finds out who that is.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::web;
use model::Refusal;
use protocol::{
    Client,
    engine::{
        ApiError, Call,
        client::{CallError, Caller},
    },
};

/// Connections that are kept for the next call.
const SPARE_MAX: usize = 32;

/// The engine, as handlers see it.
#[derive(Debug, Clone)]
pub(crate) struct EngineClient(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    socket: PathBuf,
    spare: Mutex<Vec<Client>>,
}

/// What came with a reply: descriptors, and the connection they ride on.
pub(crate) struct Riding {
    /// Descriptors, in the call's order.
    pub(crate) fds: Vec<OwnedFd>,
    /// The connection; a console ends with it.
    pub(crate) connection: Client,
}

impl EngineClient {
    /// Connects when the first call comes.
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self(Arc::new(Pool { socket, spare: Mutex::default() }))
    }

    /// One call.
    ///
    /// # Errors
    /// The engine's refusal; [`ErrorKind::Unavailable`] when it does not answer.
    pub(crate) async fn call<C>(&self, caller: &Caller, call: C) -> Result<C::Reply, ApiError>
    where
        C: Call + Send + 'static,
        C::Reply: Send + 'static,
    {
        let (pool, caller) = (Arc::clone(&self.0), caller.clone());
        run(move || {
            let client = pool.take()?;
            let (reply, _) = client.call_as(&caller, call, &[])?;
            pool.put_back(client);
            Ok(reply)
        })
        .await
    }

    /// One call with a descriptor on the way there, or some on the way back, on a connection of its own.
    ///
    /// # Errors
    /// As [`EngineClient::call`].
    pub(crate) async fn call_riding<C>(
        &self,
        caller: &Caller,
        call: C,
        with: Option<OwnedFd>,
    ) -> Result<(C::Reply, Riding), ApiError>
    where
        C: Call + Send + 'static,
        C::Reply: Send + 'static,
    {
        let (pool, caller) = (Arc::clone(&self.0), caller.clone());
        run(move || {
            let connection = Client::connect(&pool.socket)?;
            let borrowed: Vec<_> = with.iter().map(AsFd::as_fd).collect();
            let (reply, fds) = connection.call_as(&caller, call, &borrowed)?;
            Ok((reply, Riding { fds, connection }))
        })
        .await
    }
}

impl Pool {
    fn take(&self) -> Result<Client, CallError> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match spare {
            // A restarted engine has closed it: readable without a call means the end.
            Some(client) if !client.is_stale() => Ok(client),
            _ => Ok(Client::connect(&self.socket)?),
        }
    }

    fn put_back(&self, client: Client) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_MAX {
            spare.push(client);
        }
    }
}

async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CallError> + Send + 'static,
) -> Result<T, ApiError> {
    match web::block(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(CallError::Refused(error))) => Err(error),
        Ok(Err(error)) => {
            tracing::error!(error = %model::error_chain(&error), "a call to the engine failed");
            Err(Refusal::NoAnswer.into())
        }
        Err(_) => Err(Refusal::NoAnswer.into()),
    }
}

//! The server that tests of any server use: our own, or another that is named when they are run.

use std::{env, path::Path};

use anyhow::Result;

use super::{Gateway, Server, variables};

/// Names the executable of a versitygw that such tests use.
const CHOICE: &str = "TEST_S3";

/// A server, until it is dropped.
pub enum Host {
    /// Our own, in this process.
    Own(Server),
    /// Another process.
    Other(Gateway),
}

// === impl Host ===

impl Host {
    /// Starts the server that `TEST_S3` names, else our own, with one empty bucket.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start() -> Result<Self> {
        match env::var_os(CHOICE) {
            Some(program) => Gateway::start(Path::new(&program)).map(Self::Other),
            None => Server::start().map(Self::Own),
        }
    }

    /// The environment of a program that uses the server.
    pub fn variables(&self) -> Vec<(String, String)> {
        match self {
            Self::Own(server) => server.variables(),
            Self::Other(gateway) => variables(gateway.address()),
        }
    }

    /// Ends the server: the process, if it is one, as `kill -9` does.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn go_away(&self) -> Result<()> {
        match self {
            Self::Own(server) => {
                server.go_away();
                Ok(())
            }
            Self::Other(gateway) => gateway.go_away(),
        }
    }

    /// Brings the server back on the same port, with what it had stored.
    ///
    /// # Errors
    /// When it does not start.
    pub fn come_back(&self) -> Result<()> {
        match self {
            Self::Own(server) => {
                server.come_back();
                Ok(())
            }
            Self::Other(gateway) => gateway.come_back(),
        }
    }

    /// The names of all objects of the bucket, sorted, and of the parts of uploads that were not completed.
    pub fn left(&self) -> Vec<String> {
        match self {
            Self::Own(server) => server.left(),
            Self::Other(gateway) => gateway.left(),
        }
    }
}

use lambda_runtime::Diagnostic;

/// A firing that is not on the bus. Whoever calls is to call again: the same firing is the same event.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A table could not be read.
    #[error(transparent)]
    Table(#[from] store::Error),
    /// An event has no JSON form. It stays so.
    #[error("an event could not be written as JSON")]
    Unwritable(#[source] serde_json::Error),
    /// The bus did not answer as hoped.
    #[error("putting events on the bus failed")]
    Bus(#[source] aws::Error),
    /// The bus did not take every event.
    #[error("the bus did not take an event: {code}")]
    NotTaken {
        /// Its error code.
        code: String,
    },
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let error_type = match &error {
            Error::Table(_) => "Table",
            Error::Unwritable(_) => "Unwritable",
            Error::Bus(_) | Error::NotTaken { .. } => "Bus",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        }
    }
}

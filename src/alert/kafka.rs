//! Notices on a Kafka topic, keyed by incident so that one partition holds them in order.

use std::time::Duration;

use claviger_core::alert::payload::{Wording, record};
use claviger_core::alert::{Answer, Notice};
use claviger_core::config::Kafka;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext};
use tokio::sync::oneshot;

use super::sinks::SinkError;

pub(super) struct Topic {
    topic: String,
    producer: ThreadedProducer<Acknowledgements>,
}

type Acknowledgement = oneshot::Sender<Result<(), KafkaError>>;

struct Acknowledgements;

impl ClientContext for Acknowledgements {}

impl ProducerContext for Acknowledgements {
    type DeliveryOpaque = Box<Acknowledgement>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let outcome = result.as_ref().map(|_| ()).map_err(|(error, _)| error.clone());
        // Whoever waited may have given up.
        let _gone = waiting.send(outcome);
    }
}

impl Topic {
    pub(super) fn new(name: &str, topic: &str, kafka: &Kafka, limit: Duration) -> Result<Self, SinkError> {
        let mut client = ClientConfig::new();
        // Of the consumer's options those of the connection are the producer's, too; others would only be warned of.
        let options = kafka.options.reveal().filter(|(name, _)| is_of_the_connection(name));
        options.for_each(|(name, value)| _ = client.set(name, value));
        client
            .set("bootstrap.servers", kafka.brokers.join(","))
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", limit.as_millis().to_string());
        let producer = client.create_with_context(Acknowledgements);
        let producer =
            producer.map_err(|source| SinkError::ProducerRefused { destination: name.to_owned(), source })?;
        Ok(Self { topic: topic.to_owned(), producer })
    }

    pub(super) async fn send(&self, notice: &Notice, wording: &Wording) -> Answer {
        let (key, payload) = (notice.dedup_key(), record::record(notice, wording).to_string());
        let (waiting, outcome) = oneshot::channel();
        let message = BaseRecord::with_opaque_to(&self.topic, Box::new(waiting)).key(&key).payload(&payload);
        if let Err((error, _)) = self.producer.send(message) {
            return Answer::Unreachable { reason: error.to_string() };
        }
        match outcome.await {
            Ok(Ok(())) => Answer::Accepted,
            Ok(Err(error)) => Answer::Unclear { reason: error.to_string() },
            Err(_gone) => Answer::Unclear { reason: "the producer ended".to_owned() },
        }
    }
}

fn is_of_the_connection(option: &str) -> bool {
    ["security.", "sasl.", "ssl.", "socket.", "client.", "broker.", "oauthbearer."]
        .iter()
        .any(|prefix| option.starts_with(prefix))
        || ["sasl", "enable.ssl.certificate.verification"].contains(&option)
}

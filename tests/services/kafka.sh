#!/bin/sh
# Apache Kafka for the tests: one broker in KRaft mode on 127.0.0.1 and free ports, data in a temporary folder.
#
#   eval "$(tests/services/kafka.sh start)"   starts it unless it runs, and exports CLAVIGER_TEST_KAFKA (plain text) and
#                                             CLAVIGER_TEST_KAFKA_SECURED (TLS under the authority in the file
#                                             CLAVIGER_TEST_KAFKA_CA, SCRAM-SHA-512 for claviger with password let-me-read)
#   tests/services/kafka.sh env               prints the export of a running one
#   tests/services/kafka.sh stop              stops it and deletes its data; fine when none runs
#
# The jars come from Maven Central once, into ${CLAVIGER_CACHE:-$HOME/.cache/claviger}. Needs Java 17, mvn and python3.
set -eu

version=4.1.1
cache=${CLAVIGER_CACHE:-$HOME/.cache/claviger}
home=$cache/kafka-$version
state=${TMPDIR:-/tmp}/claviger-test-kafka-$(id -u)
ready_within_s=60
. "$(dirname "$0")/background.sh"

print_env() {
    read -r port secured <"$state/ports"
    echo "export CLAVIGER_TEST_KAFKA=127.0.0.1:$port"
    echo "export CLAVIGER_TEST_KAFKA_SECURED=127.0.0.1:$secured CLAVIGER_TEST_KAFKA_CA=$state/ca.pem"
}

# The version in the folder's name and the rename at the end make a half-finished download invisible.
fetch_jars() {
    [ -d "$home/libs" ] && return
    command -v mvn >/dev/null || fail "mvn is not installed, and the jars are not in $home"
    rm -rf "$home.part" && mkdir -p "$home.part"
    cat >"$home.part/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>claviger</groupId><artifactId>test-kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
    mvn -B -q -f "$home.part/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$home.part/libs" >"$home.part/mvn.log" 2>&1 ||
        fail "the jars cannot be fetched: $(tail -n 3 "$home.part/mvn.log")"
    rm -rf "$home" && mv "$home.part" "$home"
}

free_ports() {
    python3 - <<'PY' 2>/dev/null || fail "no free port"
import socket
sockets = [socket.socket() for _ in range(3)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))
PY
}

# A certificate for 127.0.0.1 that signs itself, and the authority file by which clients know it.
make_certificate() {
    keytool -genkeypair -alias broker -keyalg RSA -keysize 2048 -validity 3650 -dname CN=claviger-test-kafka \
        -ext SAN=ip:127.0.0.1,dns:localhost -storetype PKCS12 -keystore "$state/broker.p12" -storepass change-me \
        >"$state/log" 2>&1 &&
        keytool -exportcert -rfc -alias broker -keystore "$state/broker.p12" -storepass change-me \
            >"$state/ca.pem" 2>>"$state/log" || fail "no certificate: $(tail -n 3 "$state/log")"
}

java_kafka() {
    java -Xmx512m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$home/libs/*" "$@"
}

start() {
    running && { print_env; return; }
    stop
    command -v java >/dev/null || fail "java is not installed"
    fetch_jars
    mkdir -p "$state"
    make_certificate
    ports=$(free_ports)
    # shellcheck disable=SC2086 # three numbers
    set -- $ports
    port=$1 controller=$2 secured=$3
    cat >"$state/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$port,SECURED://127.0.0.1:$secured,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port,SECURED://127.0.0.1:$secured
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
listener.name.secured.ssl.keystore.type=PKCS12
listener.name.secured.ssl.keystore.location=$state/broker.p12
listener.name.secured.ssl.keystore.password=change-me
listener.name.secured.ssl.key.password=change-me
listener.name.secured.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secured.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
controller.quorum.bootstrap.servers=127.0.0.1:$controller
log.dirs=$state/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
PROPERTIES
    java_kafka kafka.tools.StorageTool format --standalone -t "$(java_kafka kafka.tools.StorageTool random-uuid)" \
        --add-scram 'SCRAM-SHA-512=[name=claviger,password=let-me-read]' -c "$state/server.properties" >"$state/log" 2>&1 || fail "formatting failed: $(tail -n 3 "$state/log")"
    # The broker outlives this script, and must not hold the caller's output open.
    java -Xmx512m -Dorg.slf4j.simpleLogger.defaultLogLevel=info -cp "$home/libs/*" \
        kafka.Kafka "$state/server.properties" >>"$state/log" 2>&1 </dev/null &
    echo $! >"$state/pid"
    echo "$port $secured" >"$state/ports"

    await_ready grep -q 'Kafka Server started' "$state/log"
    print_env
}

main "$@"

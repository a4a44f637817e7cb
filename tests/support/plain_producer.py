"""A plain AMQP producer, as the tutorial has it: ``python plain_producer.py URL MESSAGE...``."""

import sys

import pika

url, *messages = sys.argv[1:]
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.queue_declare(queue="task_queue", durable=True)
for message in messages:
    channel.basic_publish(
        exchange="",
        routing_key="task_queue",
        body=message,
        properties=pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent),
    )
    print(f" [x] Sent {message!r}")
connection.close()

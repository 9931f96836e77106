// SPDX-License-Identifier: Apache-2.0

package import Logging
package import RedisDriver
package import StintStorage

/// ``News`` over Redis's publish and subscribe.
package final class RedisNewsChannel: NewsChannel {
    private let client: RedisClient
    private let channel: String
    private let logger: Logger
    private let sender = UInt64.random(in: .min ... .max)

    /// - Parameter client: Publishes; listening opens a connection of its own.
    package init(client: RedisClient, keys: RedisKeys = RedisKeys(), logger: Logger) {
        self.client = client
        channel = keys.news
        self.logger = logger
    }

    package func publish(_ news: [News]) async {
        guard !news.isEmpty else { return }
        var command = RedisCommand("PUBLISH", channel)
        command.append(NewsCodec.encode(news, sender: sender))
        client.post([command])
    }

    package func listen(onGap: @Sendable () async -> Void, onNews: @Sendable ([News]) async -> Void) async {
        let subscriber = RedisSubscriber(client.configuration, channel: channel, logger: logger)
        for await event in subscriber.events() {
            switch event {
            case .subscribed:
                await onGap()
            case .message(let bytes):
                guard let message = NewsCodec.decode(bytes), message.sender != sender, !message.news.isEmpty else {
                    continue
                }
                await onNews(message.news)
            }
        }
    }
}

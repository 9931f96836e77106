// SPDX-License-Identifier: Apache-2.0

import RedisDriver

extension BeltScripts {
    /// Claims refills for the caller.
    ///
    /// ARGV: prefix, epoch, token, how long the claim holds (ms), how many at most.
    /// Returns identifier and horizon (score, id) of each lane claimed. Touches: the state of those lanes.
    static let claim = script(
        """
        local prefix, epoch, token, length, limit = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
        local refills = prefix .. 'refills'
        local at = now()
        local result = {}
        for _, identifier in ipairs(on('ZRANGEBYSCORE', refills, '-inf', at, 'LIMIT', 0, limit)) do
          local state = prefix .. 'state:' .. identifier
          local known = on('HMGET', state, 'epoch', 'score', 'id')
          if not string.find(identifier, '/', 1, true) or not known[1] or known[2] == '+inf' then
            redis.call('ZREM', refills, identifier)
          else
            if known[1] ~= epoch or not tonumber(known[2] or '') or not known[3] then
              known[2], known[3] = '-inf', ''
              redis.call('HSET', state, 'epoch', epoch, 'score', known[2], 'id', known[3])
            end
            -- What arrived before this moment is in the record already, and will be read.
            redis.call('HSET', state, 'claim', token)
            redis.call('HDEL', state, 'overflow')
            redis.call('DEL', prefix .. 'aside:' .. identifier)
            redis.call('ZADD', refills, at + length, identifier)
            result[#result + 1] = identifier
            result[#result + 1] = known[2]
            result[#result + 1] = known[3]
          end
        end
        return result
        """
    )

    /// Puts back what the record gave.
    ///
    /// KEYS: as for `put`. ARGV: epoch, token, window, queue, name, `failed`, `complete` or `partial`, then score and id of each job in
    /// serving order. Returns 1 when the lane wants another refill. Ignored without the claim of that token.
    /// Touches: the lane's keys.
    static let refill = script(
        """
        local jobs, state, aside, refills = KEYS[1], KEYS[2], KEYS[3], KEYS[6]
        local window, queue, name, outcome = tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
        local identifier = queue .. '/' .. name
        local known = on('HMGET', state, 'epoch', 'claim', 'overflow')
        if known[1] ~= ARGV[1] or known[2] ~= ARGV[2] then return 0 end
        redis.call('HDEL', state, 'claim', 'overflow')
        if outcome == 'failed' or known[3] then
          redis.call('DEL', aside)
          on('ZADD', refills, 0, identifier)
          return 1
        end
        local lastScore, lastID = ARGV[#ARGV - 1], ARGV[#ARGV]
        add(jobs, ARGV, 7)
        for i = 1, window, 1000 do
          local arrivals = on('ZRANGE', aside, i - 1, i + 998, 'WITHSCORES')
          local pairs = {}
          for n = 1, #arrivals, 2 do pairs[n], pairs[n + 1] = arrivals[n + 1], arrivals[n] end
          add(jobs, pairs, 1)
        end
        redis.call('DEL', aside)
        on('ZREM', refills, identifier)
        if outcome == 'complete' then
          redis.call('HSET', state, 'score', '+inf', 'id', '')
        else
          -- What lies beyond is read by the next refill.
          local rank = redis.call('ZRANK', jobs, lastID)
          if rank then redis.call('ZREMRANGEBYRANK', jobs, rank + 1, -1) end
          redis.call('HSET', state, 'score', lastScore, 'id', lastID)
        end
        local size = on('ZCARD', jobs)
        if size > 0 then
          on('SADD', KEYS[4], name)
          on('SADD', KEYS[5], queue)
        elseif outcome == 'complete' then
          redis.call('EXPIRE', state, day)
        end
        if outcome == 'partial' and size < math.max(1, math.floor(window / 4)) then
          on('ZADD', refills, 0, identifier)
          return 1
        end
        return 0
        """
    )

    /// Forgets lanes and asks for them anew.
    ///
    /// ARGV: prefix, epoch, then queue and name of each lane. Touches: the keys of those lanes.
    static let reset = script(
        """
        local prefix = ARGV[1]
        for i = 3, #ARGV, 2 do
          local identifier = ARGV[i] .. '/' .. ARGV[i + 1]
          redis.call('DEL', prefix .. 'lane:' .. identifier, prefix .. 'aside:' .. identifier, prefix .. 'state:' .. identifier)
          redis.call('HSET', prefix .. 'state:' .. identifier, 'epoch', ARGV[2], 'score', '-inf', 'id', '')
          on('ZADD', prefix .. 'refills', 0, identifier)
          on('SREM', prefix .. 'lanes:' .. ARGV[i], ARGV[i + 1])
        end
        return 0
        """
    )
}

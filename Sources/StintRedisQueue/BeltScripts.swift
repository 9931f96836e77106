// SPDX-License-Identifier: Apache-2.0

import RedisDriver

/// The belt's atomic steps, in Lua.
///
/// The state of a lane is a hash:
/// - `epoch`: the run of the server under which the rest was written. Another one means that the server was restarted, perhaps with
///   an old snapshot, so nothing of the lane can be relied on.
/// - `score`, `id`: the *horizon*, the place up to which the belt holds everything that is available; `+inf` for a lane that
///   holds all, `-inf` for one of which nothing is known.
/// - `claim`: a refill is being read by whoever has this token. `overflow`: more arrived meanwhile than could be held aside.
///
/// The state of a lane outlives its jobs, because an empty lane that holds all is not the same as one that is unknown: a job
/// that arrives in the first is the only one, a job that arrives in the second may be one of millions.
enum BeltScripts {
    /// Shared by all: what they call themselves.
    private static let prelude = """
        -- Calls a command on a key. A key of another type is nonsense from outside: it goes, and the command is called again.
        local function on(command, key, ...)
          local reply = redis.pcall(command, key, ...)
          if type(reply) ~= 'table' or not reply.err then return reply end
          if string.find(reply.err, 'WRONGTYPE', 1, true) then redis.call('DEL', key) end
          return redis.call(command, key, ...)
        end
        -- Whether id a comes before id b, byte by byte: Lua's own < follows the server's locale.
        local function less(a, b)
          for i = 1, 16 do
            local x, y = string.byte(a, i) or -1, string.byte(b, i) or -1
            if x ~= y then return x < y end
          end
          return false
        end
        -- Adds (score, id) pairs in portions that fit on the stack.
        local function add(key, pairs, first)
          for i = first, #pairs, 2000 do on('ZADD', key, unpack(pairs, i, math.min(i + 1999, #pairs))) end
        end
        local function now()
          local time = redis.call('TIME')
          return time[1] * 1000 + math.floor(time[2] / 1000)
        end
        local day = 86400

        """

    static func script(_ source: String) -> RedisScript { RedisScript(prelude + source) }

    /// Adds jobs to one lane.
    ///
    /// KEYS: jobs, state, aside, lanes of the queue, queues, refills. ARGV: epoch, window, queue, name, then score and id of each
    /// job, at most 1,000. Returns 1 when the lane wants a refill.
    /// Touches: the lane's keys; at most 2 × window + 1,000 jobs are there for a moment.
    static let put = script(
        """
        local jobs, state, aside = KEYS[1], KEYS[2], KEYS[3]
        local epoch, window, queue, name = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
        local known = on('HMGET', state, 'epoch', 'score', 'id', 'claim')
        local horizon = tonumber(known[2] or '')
        local isUnknown = known[1] ~= epoch or not horizon or not known[3]
        local inside = {}
        if isUnknown then
          -- The record may hold more: the lane is to be read. These jobs need not wait for it.
          redis.call('DEL', jobs, aside, state)
          redis.call('HSET', state, 'epoch', epoch, 'score', '-inf', 'id', '')
          on('ZADD', KEYS[6], 0, queue .. '/' .. name)
          for i = 5, math.min(#ARGV, 4 + 2 * window) do inside[i - 4] = ARGV[i] end
        elseif horizon == math.huge then
          for i = 5, #ARGV do inside[i - 4] = ARGV[i] end
        else
          local beyond = {}
          for i = 5, #ARGV, 2 do
            local score = tonumber(ARGV[i])
            local to = inside
            if score > horizon or (score == horizon and less(known[3], ARGV[i + 1])) then to = beyond end
            to[#to + 1] = ARGV[i]
            to[#to + 1] = ARGV[i + 1]
          end
          -- What is beyond the horizon is read by the next refill, except by one that has read already.
          if #beyond > 0 and known[4] then
            if on('ZCARD', aside) + #beyond / 2 > window then
              redis.call('HSET', state, 'overflow', 1)
            else
              add(aside, beyond, 1)
            end
          end
        end
        if #inside > 0 then
          add(jobs, inside, 1)
          if on('SADD', KEYS[4], name) == 1 then
            on('SADD', KEYS[5], queue)
            redis.call('PERSIST', state)
          end
          if not isUnknown and redis.call('ZCARD', jobs) > 2 * window then
            redis.call('ZREMRANGEBYRANK', jobs, window, -1)
            local last = redis.call('ZRANGE', jobs, -1, -1, 'WITHSCORES')
            redis.call('HSET', state, 'score', last[2], 'id', last[1])
            -- A refill that is being read starts behind the new horizon: it is ignored, and asked for anew.
            redis.call('HDEL', state, 'claim', 'overflow')
            redis.call('DEL', aside)
            on('ZREM', KEYS[6], queue .. '/' .. name)
          end
        end
        return isUnknown and 1 or 0
        """
    )
}

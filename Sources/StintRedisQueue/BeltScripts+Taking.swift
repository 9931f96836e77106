// SPDX-License-Identifier: Apache-2.0

import RedisDriver

extension BeltScripts {
    /// Takes jobs, smallest serving order first over all lanes asked for.
    ///
    /// ARGV: prefix, limit, window, then for each queue: its name, the number of names (−1 for every name), the names.
    /// Returns whether a refill is due, then for each lane its identifier and a list of ids and scores.
    /// Touches: the jobs that are taken; reads the head of every lane asked for.
    static let take = script(
        """
        local prefix, limit, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
        local wanted = {}
        local function want(queue, name, isListed)
          local identifier = queue .. '/' .. name
          wanted[#wanted + 1] = {
            queue = queue, name = name, isListed = isListed, identifier = identifier,
            key = prefix .. 'lane:' .. identifier, state = prefix .. 'state:' .. identifier,
            offset = 0, taken = 0, out = {},
          }
        end
        local i = 4
        while i <= #ARGV do
          local queue, count = ARGV[i], tonumber(ARGV[i + 1])
          if count < 0 then
            for _, name in ipairs(on('SMEMBERS', prefix .. 'lanes:' .. queue)) do want(queue, name, true) end
            i = i + 2
          else
            for n = 1, count do want(queue, ARGV[i + 1 + n], false) end
            i = i + 2 + count
          end
        end
        -- Reads more of a lane; false at its end.
        local function read(lane, count)
          lane.rows = on('ZRANGE', lane.key, lane.offset, lane.offset + count - 1, 'WITHSCORES')
          lane.at = 1
          lane.offset = lane.offset + #lane.rows / 2
          return #lane.rows > 0
        end
        local function look(lane)
          lane.id, lane.score = lane.rows[lane.at], tonumber(lane.rows[lane.at + 1])
        end
        local function advance(lane)
          lane.at = lane.at + 2
          if lane.at > #lane.rows and not read(lane, 100) then return false end
          look(lane)
          return true
        end
        local function before(a, b)
          if a.score ~= b.score then return a.score < b.score end
          return less(a.id, b.id)
        end
        -- A heap of lanes by their heads.
        local heap, count = {}, 0
        local function sink(place)
          while true do
            local child = 2 * place
            if child > count then return end
            if child < count and before(heap[child + 1], heap[child]) then child = child + 1 end
            if not before(heap[child], heap[place]) then return end
            heap[place], heap[child] = heap[child], heap[place]
            place = child
          end
        end
        local function merge()
          for place = math.floor(count / 2), 1, -1 do sink(place) end
          local taken = 0
          while taken < limit and count > 0 do
            local lane = heap[1]
            lane.out[#lane.out + 1] = lane.id
            lane.out[#lane.out + 1] = lane.rows[lane.at + 1]
            lane.taken = lane.taken + 1
            taken = taken + 1
            if not advance(lane) then
              heap[1] = heap[count]
              heap[count] = nil
              count = count - 1
            end
            sink(1)
          end
        end
        for _, lane in ipairs(wanted) do
          if read(lane, #wanted == 1 and limit or 1) then
            look(lane)
            count = count + 1
            heap[count] = lane
          elseif lane.isListed then
            redis.call('SREM', prefix .. 'lanes:' .. lane.queue, lane.name)
          end
        end
        if #wanted == 1 and count == 1 then
          heap[1].out = heap[1].rows
          heap[1].taken = #heap[1].rows / 2
        else
          merge()
        end
        local result = { 0 }
        for _, lane in ipairs(wanted) do
          if lane.taken > 0 then
            redis.call('ZREMRANGEBYRANK', lane.key, 0, lane.taken - 1)
            local size = redis.call('ZCARD', lane.key)
            local horizon = on('HGET', lane.state, 'score')
            if size == 0 then
              on('SREM', prefix .. 'lanes:' .. lane.queue, lane.name)
              if redis.call('EXISTS', prefix .. 'lanes:' .. lane.queue) == 0 then
                on('SREM', prefix .. 'queues', lane.queue)
              end
              if horizon == '+inf' then redis.call('EXPIRE', lane.state, day) end
            end
            if horizon and horizon ~= '+inf' and size < math.max(1, math.floor(window / 4)) then
              on('ZADD', prefix .. 'refills', 'NX', 0, lane.identifier)
            end
            result[#result + 1] = lane.identifier
            result[#result + 1] = lane.out
          end
        end
        if #on('ZRANGEBYSCORE', prefix .. 'refills', '-inf', now(), 'LIMIT', 0, 1) > 0 then result[1] = 1 end
        return result
        """
    )
}

// SPDX-License-Identifier: Apache-2.0

import RedisDriver

extension BeltScripts {
    /// Finds the lanes of which the belt has nothing and expects nothing.
    ///
    /// ARGV: prefix, epoch, then queue and name of each lane. Returns the numbers of those lanes, from 0. Reads only, but
    /// enters lanes that have jobs where takers look for them, should somebody have removed them there.
    static let missing = script(
        """
        local prefix, epoch = ARGV[1], ARGV[2]
        local result = {}
        for i = 3, #ARGV, 2 do
          local identifier = ARGV[i] .. '/' .. ARGV[i + 1]
          local known = on('HMGET', prefix .. 'state:' .. identifier, 'epoch', 'score')
          local isMissing = known[1] ~= epoch
          if on('ZCARD', prefix .. 'lane:' .. identifier) > 0 then
            on('SADD', prefix .. 'lanes:' .. ARGV[i], ARGV[i + 1])
            on('SADD', prefix .. 'queues', ARGV[i])
          elseif not isMissing then
            isMissing = known[2] == '+inf' or not on('ZSCORE', prefix .. 'refills', identifier)
          end
          if isMissing then result[#result + 1] = (i - 3) / 2 end
        end
        return result
        """
    )

    /// Finds the jobs that should be on the belt and are not.
    ///
    /// KEYS: jobs, state. ARGV: epoch, then score and id of each job. Returns the numbers of those jobs, from 0; none while the lane
    /// is unknown. Reads only, but for keys of another type.
    static let absent = script(
        """
        local known = on('HMGET', KEYS[2], 'epoch', 'score', 'id')
        local horizon = tonumber(known[2] or '')
        local result = {}
        if known[1] ~= ARGV[1] or not horizon or not known[3] then return result end
        for i = 2, #ARGV, 2 do
          local score = tonumber(ARGV[i])
          local isInside = score < horizon or (score == horizon and not less(known[3], ARGV[i + 1]))
          if isInside and not on('ZSCORE', KEYS[1], ARGV[i + 1]) then result[#result + 1] = (i - 2) / 2 end
        end
        return result
        """
    )

    /// Counts the jobs on the belt.
    ///
    /// ARGV: prefix. Reads one number per lane that has jobs.
    static let depth = script(
        """
        local sum = 0
        for _, queue in ipairs(on('SMEMBERS', ARGV[1] .. 'queues')) do
          for _, name in ipairs(on('SMEMBERS', ARGV[1] .. 'lanes:' .. queue)) do
            sum = sum + on('ZCARD', ARGV[1] .. 'lane:' .. queue .. '/' .. name)
          end
        end
        return sum
        """
    )
}

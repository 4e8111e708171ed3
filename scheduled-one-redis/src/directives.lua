-- Directives: what operators want of jobs, by subject: a job, or `*` for all. The text of one begins with its version,
-- and with beginning and end of its pause (0: none).
--
-- Provides: parse_directive.

-- Version, and beginning and end of the pause. Any other text is damaged: nothing is guessed.
local function parse_directive(key, subject, text)
  local version, since, till = string.match(text, '^(%d+) (%d+) (%d+) ')
  version, since, till = tonumber(version), tonumber(since), tonumber(till)
  if not version or version > MAX_EXACT or since > MAX_EXACT or till > MAX_EXACT then
    damaged(key, subject, text)
    return 0, 0, 0
  end
  return version, since, till
end


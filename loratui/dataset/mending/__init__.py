"""Operations that mend a set: each looks at what counts and makes a plan for a new step."""

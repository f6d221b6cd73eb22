# at the top

# before the feature
Feature: Comments   # with a comment
      # deep in the feature
  Scenario: One     # trailing
    # before the step
    @step(name=A)# glued
      # inside the step
      @do set a = 1,    # the first
              b = 2     # the second
      # @do set c = 3
    # before the sink
    @sink(type=stdout)

    # before the examples
    # two lines
    Examples: one
        # above the table
      Given x
        | a | b |   # a header
        # between rows
        |1|22222|#a row
      # at the end
  # before nothing

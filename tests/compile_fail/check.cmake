# cmake -DCOMPILER=… -DFLAGS=… -DSOURCE=… -P check.cmake: see compile_fail.cmake.
file(STRINGS "${SOURCE}" first_line LIMIT_COUNT 1)
if(NOT first_line MATCHES "^// expect-error: (.+)$")
  message(FATAL_ERROR "${SOURCE}: the first line must be '// expect-error: NameOfWhatIsUnmet'")
endif()
set(expected "${CMAKE_MATCH_1}")
string(REGEX REPLACE "\\.cpp$" "_fixed.cpp" fixed "${SOURCE}")

execute_process(COMMAND "${COMPILER}" "@${FLAGS}" "${SOURCE}" RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(failed EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles, but must not")
endif()
# The line of the source that holds the name is quoted by the compiler, so only the compiler's own sentences count.
string(REGEX MATCHALL "[^\n]*(error|note|required)[^\n]*" sentences "${said}")
string(FIND "${sentences}" "${expected}" position)
if(position EQUAL -1)
  message(FATAL_ERROR "${SOURCE}: the compiler does not say '${expected}'. It says:\n${said}")
endif()

execute_process(COMMAND "${COMPILER}" "@${FLAGS}" "${fixed}" RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT failed EQUAL 0)
  message(FATAL_ERROR "${fixed} must compile. The compiler says:\n${said}")
endif()
